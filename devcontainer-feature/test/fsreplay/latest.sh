#!/bin/bash
# The latest version, downloaded.
set -e
source ./checks.sh
reportResults
