#!/bin/bash
# A binary that is in the image, with its SHA-256 as an option or in a file beside it.
set -e
source ./checks.sh
reportResults
