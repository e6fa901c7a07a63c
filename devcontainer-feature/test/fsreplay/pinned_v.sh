#!/bin/bash
# A version with v, downloaded.
set -e
source ./checks.sh
reportResults
