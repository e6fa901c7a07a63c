#!/bin/bash
# Default options; the binary is one shipped beside install.sh.
set -e
source ./checks.sh
reportResults
