#!/bin/bash
# A remote user that is not root.
set -e
source ./checks.sh
check "the user is not root" test "$(id -u)" != 0
reportResults
