#!/bin/bash
# A version without v, downloaded.
set -e
source ./checks.sh
check "nothing is left of the download" bash -c "! ls -d /tmp/tmp.* 2>/dev/null"
reportResults
