#!/bin/bash
# Without the mounts to replay on, as far as a Feature can do without: the volume is root's.
set -e
source dev-container-features-test-lib
check "it runs" fsreplay --version
check "the volume is not the user's" bash -c "! touch /mnt/fsreplay-volume/probe"
reportResults
