#!/bin/bash
# Remote user root.
set -e
source ./checks.sh
check "the user is root" test "$(id -u)" = 0
reportResults
