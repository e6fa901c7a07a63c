#!/bin/sh
# Installs fsreplay into an image: a static binary for any distribution, never one whose SHA-256 was
# not checked. POSIX sh. Needs no network if a binary lies beside this script or is named by the
# option `binary`.
set -eu

version=${VERSION:-latest}
url=${DOWNLOADURL:-}
wanted_sum=${SHA256:-}
binary=${BINARY:-}
candidate_mounts=${CANDIDATEMOUNTS:-true}
prefix=/usr/local
target=$prefix/bin/fsreplay
volume=/mnt/fsreplay-volume
tmpfs=/mnt/fsreplay-tmpfs
here=$(cd "$(dirname "$0")" && pwd)

fail() {
    echo "fsreplay: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "install.sh has to run as root, as Features do"

case "$(uname -m)" in
    x86_64 | amd64) arch=x86_64 ;;
    aarch64 | arm64) arch=aarch64 ;;
    *) fail "there are binaries for x86_64 and aarch64, not for $(uname -m)" ;;
esac

version=${version#v}
case "$version" in
    latest) ;;
    *[!0-9A-Za-z.+-]* | '' | [!0-9]*)
        fail "version '$version': give latest, or a version such as 0.1.0 or v0.1.0" ;;
esac

work=$(mktemp -d)
fetcher_installed=
# What was installed for the download goes again, and only that: the image may hold packages that
# --auto-remove would take with it.
cleanup() {
    if [ -n "$fetcher_installed" ]; then
        installed_packages | sort >"$work/after"
        sort "$work/before" | comm -13 - "$work/after" |
            xargs -r apt-get purge -qq -y >/dev/null 2>&1 || true
        apt-get clean || true
        rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
    fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

sum_of() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1" | cut -d ' ' -f 1
    elif command -v shasum >/dev/null 2>&1; then
        shasum -a 256 "$1" | cut -d ' ' -f 1
    elif command -v openssl >/dev/null 2>&1; then
        openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
    else
        fail "no sha256sum, shasum or openssl in this image, so nothing can be verified;" \
            "install one of them"
    fi
}

installed_packages() {
    dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' | sed -n 's/^installed //p'
}

have_fetcher() {
    command -v curl >/dev/null 2>&1 || command -v wget >/dev/null 2>&1
}

# Debian's and Ubuntu's images have neither curl nor wget; all others have one.
need_fetcher() {
    have_fetcher && return
    command -v apt-get >/dev/null 2>&1 ||
        fail "neither curl nor wget in this image; install one of them, or give the option binary"
    echo "fsreplay: installing curl for the download"
    export DEBIAN_FRONTEND=noninteractive
    installed_packages >"$work/before"
    fetcher_installed=yes
    {
        apt-get update -qq &&
            apt-get install -qq -y --no-install-recommends curl ca-certificates
    } >"$work/apt.log" 2>&1 || {
        cat "$work/apt.log" >&2
        fail "curl could not be installed; without a network, give the option binary"
    }
}

fetch() { # ADDRESS FILE
    if command -v curl >/dev/null 2>&1; then
        curl -fsSL --retry 3 -o "$2" "$1"
    else
        wget -q -O "$2" "$1"
    fi || fail "$1 could not be downloaded; check the options version and downloadUrl"
}

# The first word of a checksum file.
sum_in() {
    read -r word _ <"$1" || true
    printf %s "$word"
}

download() {
    if [ -z "$url" ] && [ -r "$here/release-url" ]; then
        url=$(cat "$here/release-url")
    fi
    [ -n "$url" ] || fail "this copy of the Feature does not know where releases are;" \
        "give the option downloadUrl or binary"
    url=${url%/}
    if [ "$version" = latest ]; then
        from=$url/latest/download
    else
        from=$url/download/v$version
    fi
    need_fetcher
    fetch "$from/SHA256SUMS" "$work/SHA256SUMS"
    name=$(sed -n "s/^[0-9a-f]\{64\}  \(fsreplay-[0-9A-Za-z.+-]*-linux-$arch\)\$/\1/p" \
        "$work/SHA256SUMS" | head -n 1)
    [ -n "$name" ] || fail "$from/SHA256SUMS names no binary for $arch"
    if [ "$version" != latest ] && [ "$name" != "fsreplay-$version-linux-$arch" ]; then
        fail "$from holds $name, not version $version"
    fi
    listed_sum=$(grep "^[0-9a-f]*  $name\$" "$work/SHA256SUMS" | cut -d ' ' -f 1)
    fetch "$from/$name" "$work/fsreplay"
}

if [ -n "$binary" ]; then
    [ -f "$binary" ] || fail "binary $binary: there is no such file in the image"
    source=$binary
elif [ -z "$url" ] && [ -f "$here/fsreplay-$arch" ]; then
    source=$here/fsreplay-$arch
else
    source=
fi

listed_sum=
if [ -n "$source" ]; then
    cp "$source" "$work/fsreplay"
    [ ! -r "$source.sha256" ] || listed_sum=$(sum_in "$source.sha256")
    [ -n "$wanted_sum$listed_sum" ] || fail "nothing tells the SHA-256 of $source:" \
        "give the option sha256, or a file $source.sha256"
else
    download
fi

# What the user demands and what is listed must both be met.
got=$(sum_of "$work/fsreplay")
for sum in $wanted_sum $listed_sum; do
    sum=$(printf %s "$sum" | tr 'A-F' 'a-f')
    [ "$got" = "$sum" ] || fail "SHA-256 is $got, not $sum as it must be: nothing was installed"
done

chmod 755 "$work/fsreplay"
told=$("$work/fsreplay" --version) || fail "the binary does not run in this image"
if [ -n "$source" ] && [ "$version" != latest ] && [ "$told" != "fsreplay $version" ]; then
    fail "the binary says '$told', but version $version was asked for"
fi
mkdir -p "$(dirname "$target")"
# Under another name first: a running one can't be written to.
cp "$work/fsreplay" "$target.new"
chown 0:0 "$target.new"
chmod 755 "$target.new"
mv -f "$target.new" "$target"

# Where shells and man look for what is not the distribution's. They aren't worth failing for: an
# old version may not have them.
beside() { # FILE COMMAND…
    file=$prefix/share/$1
    shift
    mkdir -p "$(dirname "$file")"
    if "$@" >"$work/beside" 2>/dev/null; then
        cp "$work/beside" "$file"
        chmod 644 "$file"
    else
        echo "fsreplay: no $file: this version can't make it" >&2
    fi
}
beside bash-completion/completions/fsreplay "$target" completions bash
beside zsh/site-functions/_fsreplay "$target" completions zsh
beside fish/vendor_completions.d/fsreplay.fish "$target" completions fish
mkdir -p "$prefix/share/man/man1"
"$target" man "$prefix/share/man/man1" >/dev/null 2>&1 ||
    echo "fsreplay: no manual pages: this version can't make them" >&2

# A new volume takes owner and mode from the image. As with /tmp, everybody may write: the remote
# user's number can still change when the container is made.
mkdir -p "$volume" "$tmpfs"
if [ "$candidate_mounts" = true ]; then
    chown "${_REMOTE_USER:-root}" "$volume" "$tmpfs" 2>/dev/null || true
    chmod 1777 "$volume" "$tmpfs"
else
    chown 0:0 "$volume" "$tmpfs"
    chmod 755 "$volume" "$tmpfs"
fi
echo "installed $told as $target"
