#!/bin/bash
# The Feature installed twice, with other options the second time.
set -e
source ./checks.sh
reportResults
