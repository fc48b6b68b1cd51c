#!/usr/bin/env bash
# build-lite-linux.sh OUTDIR: a Linux for the technique `lite`, from Debian's own source package.
#
# Leaves OUTDIR/vmlinuz and OUTDIR/disk.img (ext2 without partitions, busybox):
#   bin/trapscope run --technique lite --kernel OUTDIR/vmlinuz --hda OUTDIR/disk.img --append "root=/dev/hald0 rw clearcpuid=4"
# and OUTDIR/initrd.gz, the same files for a machine without a HAL (--append "console=ttyS0 rdinit=/sbin/init").
#
# What is ours is in build-lite-linux/: the macros that every file is assembled with, a driver each for console, disks and network
# of the HAL, and the configuration. What changes in Linux is below, in `port`.
# Everything else comes from Debian packages through apt; no mounts, no root but for installing what is missing:
#   dpkg --add-architecture i386 && apt-get update
#   apt-get install build-essential flex bison bc cpio e2fsprogs xz-utils
set -euo pipefail

out=$(realpath -m "${1:?usage: build-lite-linux.sh OUTDIR}")
ours=$(cd "$(dirname "$0")" && pwd)/build-lite-linux
jobs=${JOBS:-$(nproc)}
PATH=$PATH:/usr/sbin:/sbin
missing=()
for tool in gcc make flex bison bc cpio mke2fs xz dpkg-deb apt-get; do
  command -v "$tool" > /dev/null 2>&1 || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "build-lite-linux.sh: missing ${missing[*]}: install build-essential flex bison bc cpio e2fsprogs xz-utils" >&2
  exit 1
fi
work=$out/work
mkdir -p "$work"
cd "$work"

package() { # PACKAGE FOLDER: downloads and unpacks one Debian package
  [ -d "$2" ] && return
  apt-get download -qq "$1"
  dpkg-deb -x "${1%%:*}"_*.deb "$2"
}

change() { # FILE SED-SCRIPT: it must change something
  cp "$1" "$1.before"
  sed -i "$2" "$1"
  ! cmp -s "$1" "$1.before" || { echo "build-lite-linux.sh: $1 is not as expected" >&2; exit 1; }
}

port() {
  mkdir -p arch/x86/lite
  echo 'obj-$(CONFIG_PLEX86_LITE) += lite/' >> arch/x86/Kbuild
  echo 'source "arch/x86/lite/Kconfig"' >> arch/x86/Kconfig
  # In front of every file that is assembled, but for the decompressor and 16-bit code, which have flags of their own.
  echo 'KBUILD_CFLAGS += -Wa,$(srctree)/arch/x86/lite/macros.s' >> arch/x86/Makefile
  echo 'KBUILD_AFLAGS += -Wa,$(srctree)/arch/x86/lite/macros.s' >> arch/x86/Makefile
  # Before paging `lite_active` has no address; IF is 0 there and nobody asks for it.
  change arch/x86/kernel/head_32.S 's/^\t\(push\|pop\)fl/\tds \1fl/'
  # And the decompressor's stack leaves the page of its GDT, which a monitor watches: every store would be a trap.
  change arch/x86/boot/compressed/head_32.S 's/^\tpopfl/\tds popfl/; s/^\t\.balign 4$/\t.balign 4096/'
  change arch/x86/kernel/head32.c 's/^asmlinkage __visible void __init i386_start_kernel(void)/void lite_setup(void);\n&/; s/^\tidt_setup_early_handler();/\tlite_setup();\n&/'
}

tree=$work/linux-source-6.1
if [ ! -d "$tree" ]; then
  package linux-source-6.1 source
  tar xf source/usr/src/linux-source-6.1.tar.xz
  (cd "$tree" && port)
fi
cp "$ours"/{Makefile,Kconfig,macros.s,hal.h,setup.c,console.c,disk.c,net.c} "$tree/arch/x86/lite/"
make -C "$tree" -s ARCH=i386 tinyconfig > /dev/null
(cd "$tree" && scripts/kconfig/merge_config.sh -m .config "$ours/config" > /dev/null && make -s ARCH=i386 olddefconfig)
grep -q '^CONFIG_PLEX86_LITE=y' "$tree/.config" || { echo "build-lite-linux.sh: the configuration does not hold" >&2; exit 1; }
make -C "$tree" -s ARCH=i386 -j"$jobs" KBUILD_BUILD_TIMESTAMP=2003-02-14 KBUILD_BUILD_USER=trapscope KBUILD_BUILD_HOST=trapscope bzImage 2> >(grep -v "orphan section .lite_iret" >&2)
cp "$tree/arch/x86/boot/bzImage" "$out/vmlinuz"
cp "$tree/System.map" "$out/System.map"

# --- the disk
package busybox-static:i386 busybox-static
root=$work/root
rm -rf "$root"
mkdir -p "$root"/{bin,dev,proc,sbin,tmp,root}
cp busybox-static/bin/busybox "$root/bin/"
install -m 755 "$ours/init" "$root/sbin/init"
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | gzip -9n) > "$out/initrd.gz"
image=$out/disk.img
rm -f "$image"
mke2fs -q -t ext2 -d "$root" -L LITE "$image" 8M
ls -l "$out/vmlinuz" "$image" "$out/initrd.gz"
