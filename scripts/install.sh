#!/bin/sh
# Installs fsreplay for this user: a static binary, never one whose SHA-256 was not checked.
#
#   install.sh [--version VERSION] [--to DIR] [--from ADDRESS]
#
# --version: such as 0.1.0 or v0.1.0; the latest otherwise. --to: where the program goes, by
# default ~/.local/bin. --from (or the variable FSREPLAY_RELEASES): a mirror, where
# ADDRESS/download/vVERSION/ and ADDRESS/latest/download/ hold the files of releases; or
# file://DIR, a directory with the files of one release.
#
# Needs no root; tar, gzip, curl or wget, and sha256sum, shasum or openssl. Replaces what is there
# of another version, in one step; if anything fails, nothing has changed.
set -eu

# The release script fills this in; without it, an address has to be given.
releases=

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

usage() {
    cat <<'USAGE'
usage: install.sh [--version VERSION] [--to DIR] [--from ADDRESS]

  --version VERSION  such as 0.1.0; the latest otherwise
  --to DIR           where the program goes (default: ~/.local/bin)
  --from ADDRESS     a mirror of the releases, or file://DIR with the files of one;
                     also by the variable FSREPLAY_RELEASES
USAGE
}

has() { command -v "$1" >/dev/null 2>&1; }

sum_of() {
    if has sha256sum; then
        sha256sum "$1" | cut -d ' ' -f 1
    elif has shasum; then
        shasum -a 256 "$1" | cut -d ' ' -f 1
    elif has openssl; then
        openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
    else
        fail "nothing here can verify the download: install sha256sum, shasum or openssl"
    fi
}

fetch() { # ADDRESS FILE
    case "$1" in
        file://*)
            [ -r "${1#file://}" ] || fail "there is no ${1#file://}"
            cp "${1#file://}" "$2"
            return
            ;;
    esac
    if has curl; then
        curl -fsSL --retry 2 -o "$2" "$1"
    elif has wget; then
        wget -q -O "$2" "$1"
    else
        fail "curl or wget is needed for the download"
    fi || fail "$1 could not be downloaded; is there such a version, and is the address right?"
}

architecture() {
    case "$(uname -s)" in
        Linux) ;;
        *) fail "fsreplay runs on Linux: install it in the container whose mounts matter" ;;
    esac
    case "$(uname -m)" in
        x86_64 | amd64) echo x86_64 ;;
        aarch64 | arm64) echo aarch64 ;;
        *) fail "there are binaries for x86_64 and aarch64, not for $(uname -m)" ;;
    esac
}

# Sets version, to and from.
read_arguments() {
    version=latest
    to=
    from=${FSREPLAY_RELEASES:-$releases}
    while [ $# -gt 0 ]; do
        case "$1" in
            -h | --help) usage; exit 0 ;;
            --version | --to | --from) [ -n "${2:-}" ] || fail "$1 needs a value" ;;
            *) usage >&2; fail "there is no option $1" ;;
        esac
        case "$1" in
            --version) version=${2#v} ;;
            --to) to=$2 ;;
            --from) from=$2 ;;
        esac
        shift 2
    done
    from=${from%/}
    case "$version" in
        latest) ;;
        *[!0-9A-Za-z.+-]* | [!0-9]*) fail "version '$version': give one such as 0.1.0 or v0.1.0" ;;
    esac
    [ -n "$from" ] ||
        fail "this copy does not know where releases are: give --from ADDRESS"
    if [ -z "$to" ]; then
        [ -n "${HOME:-}" ] || fail "HOME is not set: give --to DIR"
        to=$HOME/.local/bin
    fi
}

# The directory that holds the files of the version.
place() {
    case "$from" in
        file://*) echo "$from" ;;
        *) if [ "$version" = latest ]; then
            echo "$from/latest/download"
        else
            echo "$from/download/v$version"
        fi ;;
    esac
}

# Gets the archive for an architecture, checks it and unpacks the program as $work/fsreplay.
get() { # ARCH
    at=$(place)
    fetch "$at/SHA256SUMS" "$work/SHA256SUMS"
    file=$(sed -n "s/^[0-9a-f]\{64\}  \(fsreplay-[0-9A-Za-z.+-]*-linux-$1\.tar\.gz\)\$/\1/p" \
        "$work/SHA256SUMS" | head -n 1)
    [ -n "$file" ] || fail "$at/SHA256SUMS lists no archive for $1"
    name=${file%.tar.gz}
    [ "$version" = latest ] || [ "$name" = "fsreplay-$version-linux-$1" ] ||
        fail "$at holds $name, not version $version"
    wanted=$(sed -n "s/^\([0-9a-f]*\)  $file\$/\1/p" "$work/SHA256SUMS" | head -n 1)
    fetch "$at/$file" "$work/$file"
    got=$(sum_of "$work/$file")
    [ "$got" = "$wanted" ] ||
        fail "SHA-256 of $file is '$got', not $wanted as listed: nothing was installed"
    (cd "$work" && tar -xzf "$file" "$name/fsreplay") ||
        fail "$file can't be unpacked: nothing was installed"
    mv "$work/$name/fsreplay" "$work/fsreplay"
    chmod 755 "$work/fsreplay"
    told=$("$work/fsreplay" --version) ||
        fail "the program does not run here: nothing was installed"
}

# Under another name first: there is an old program or a whole new one, never a part of one, and a
# program that runs can't be written to.
put() {
    mkdir -p "$to" || fail "$to can't be made: give another directory by --to"
    new=$to/.fsreplay.$$
    { cp "$work/fsreplay" "$new" && mv -f "$new" "$to/fsreplay"; } ||
        fail "$to can't be written to: give another directory by --to"
    new=
    echo "installed $told as $to/fsreplay"
    case ":${PATH:-}:" in
        *":$to:"*) ;;
        *) echo "$to is not in PATH: add it, or call $to/fsreplay" ;;
    esac
}

# All of it is read before any of it runs: a script that was cut short does nothing.
main() {
    read_arguments "$@"
    arch=$(architecture)
    new=
    work=$(mktemp -d)
    trap 'rm -rf "$work"; [ -z "$new" ] || rm -f "$new"' EXIT
    trap 'exit 1' HUP INT TERM
    get "$arch"
    put
}

main "$@"
