#!/bin/sh
# Makes a folder that is the whole file system that a program needs: the program, and the
# shared libraries that ldd names. It is the image, and what the tests run it in.
#
#   docker/bare-root.sh PROGRAM FOLDER
set -eu

program=$1 root=$2

put() {
    mkdir -p "$root$(dirname "$2")"
    cp -L "$1" "$root$2"
}

put "$program" "/usr/local/bin/$(basename "$program")"
libraries=$(ldd "$program")
case $libraries in
    *"not found"*) printf '%s\n' "$libraries" >&2; exit 1 ;;
esac
# "libc.so.6 => /lib/libc.so.6 (0x...)", and the loader as "/lib64/ld-linux.so.2 (0x...)".
printf '%s\n' "$libraries" | sed -n 's|^[^/]*\(/[^ ]*\) (0x.*|\1|p' | while read -r library; do
    put "$library" "$library"
done
