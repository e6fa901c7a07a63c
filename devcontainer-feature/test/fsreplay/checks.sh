#!/bin/bash
# What every installation must pass; sourced by the tests beside it.
source dev-container-features-test-lib

writable() {
    local probe
    probe=$(mktemp "$1/probe.XXXXXX") && rm "$probe"
}

recorded_and_replayed() {
    local dir
    dir=$(mktemp -d) && cd "$dir" && mkdir tree target && echo x >tree/file || return 1
    fsreplay record -q -o trace.zst \
        -- sh -c 'ls tree; cat tree/file missing; cp tree/file tree/copy; true' || return 1
    for target in target /mnt/fsreplay-volume; do
        fsreplay play --strict --target "$target" trace.zst || return 1
    done
    # An engine mounts a tmpfs noexec: programs can't be started or mapped from there, as the replay
    # says.
    fsreplay play --target /mnt/fsreplay-tmpfs trace.zst || return 1
    rm -rf "$dir"
}

check "it runs" fsreplay --version
check "the volume can be written to" writable /mnt/fsreplay-volume
check "the tmpfs can be written to" writable /mnt/fsreplay-tmpfs
check "a recording is replayed on root, volume and tmpfs" recorded_and_replayed
check "the volume is named as one" \
    bash -c "fsreplay mounts | grep -E '/mnt/fsreplay-volume +volume'"
check "the tmpfs is named as one" bash -c "fsreplay mounts | grep -E '/mnt/fsreplay-tmpfs +tmpfs'"
check "there are completions and manual pages" \
    test -s /usr/local/share/bash-completion/completions/fsreplay \
    -a -s /usr/local/share/man/man1/fsreplay-play.1
check "there are traces, and they can be read" \
    bash -c 'fsreplay library && fsreplay info library:npm-ci'
