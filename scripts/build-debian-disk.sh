#!/usr/bin/env bash
# build-debian-disk.sh OUTDIR [FLAVOUR]: a bootable disk with Debian's own i386 kernel, for the long tests.
# FLAVOUR is 686 or 686-pae (page tables of three levels, execute-disable).
#
# Leaves OUTDIR/vmlinuz, OUTDIR/initrd.gz and OUTDIR/disk.img (MBR -> SYSLINUX on FAT16 -> Linux -> ext4 data partition).
# Everything comes from Debian packages through apt; no mounts, no root but for installing what is missing:
#   dpkg --add-architecture i386 && apt-get update
#   apt-get install mtools dosfstools syslinux syslinux-common e2fsprogs fdisk cpio kmod xz-utils
set -euo pipefail

out=$(realpath -m "${1:?usage: build-debian-disk.sh OUTDIR [FLAVOUR]}")
flavour=${2:-686}
here=$(cd "$(dirname "$0")" && pwd)
missing=()
for tool in mformat mcopy syslinux mke2fs sfdisk cpio depmod dpkg-deb apt-get; do
  command -v "$tool" >/dev/null 2>&1 || [ -x "/usr/sbin/$tool" ] || [ -x "/sbin/$tool" ] || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "build-debian-disk.sh: missing ${missing[*]}: install mtools dosfstools syslinux syslinux-common e2fsprogs fdisk cpio kmod" >&2
  exit 1
fi
PATH=$PATH:/usr/sbin:/sbin
work=$out/work
mkdir -p "$work"
cd "$work"

package() { # NAME: downloads and unpacks one Debian package into ./NAME
  [ -d "$1" ] && return
  apt-get download -qq "$2"
  dpkg-deb -x "$1"_*.deb "$1"
}
kernel=$(apt-cache depends "linux-image-$flavour:i386" | sed -n 's/.*Depends: \(linux-image-[^ :]*\).*/\1/p' | head -n 1)
[ -n "$kernel" ] || { echo "build-debian-disk.sh: no i386 kernel known: dpkg --add-architecture i386 && apt-get update" >&2; exit 1; }
package "$kernel" "$kernel:i386"
package busybox-static busybox-static:i386
version=${kernel#linux-image-}
cp "$kernel/boot/vmlinuz-$version" "$out/vmlinuz"

# --- initial RAM disk: busybox, the modules for IDE and ext4 in the order they need each other
root=$work/root
rm -rf "$root"
mkdir -p "$root"/{bin,modules,tmp,root}
cp busybox-static/bin/busybox "$root/bin/"
install -m 755 "$here/debian/init" "$root/init"
depmod -b "$kernel" "$version"
list=$kernel/lib/modules/$version/modules.dep
order=()
need() { # MODULE: those it depends on first
  local line file
  line=$(grep -E "/${1//[-_]/[-_]}\.ko(\.[a-z]+)?:" "$list" | head -n 1) || true
  [ -n "$line" ] || return 0
  for file in $(echo "${line#*:}" | tr ' ' '\n' | tac) "${line%%:*}"; do
    case " ${order[*]-} " in *" $file "*) ;; *) order+=("$file") ;; esac
  done
}
for module in ata_piix sd_mod crc32c_generic ext4; do need "$module"; done
for file in "${order[@]}"; do
  cp "$kernel/lib/modules/$version/$file" "$root/modules/"
  basename "$file" >> "$root/modules/order"
done
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | gzip -9n) > "$out/initrd.gz"

# --- the disk: 64 MiB, FAT16 boot partition at 1 MiB, ext4 data behind it
sector=512 boot_start=2048 boot_sectors=40960 data_start=43008 total=131072
image=$out/disk.img
rm -f "$image"
truncate -s $((total * sector)) "$image"
printf 'label: dos\nstart=%d, size=%d, type=6, bootable\nstart=%d, type=83\n' $boot_start $boot_sectors $data_start | sfdisk -q "$image"
dd if=/usr/lib/syslinux/mbr/mbr.bin of="$image" conv=notrunc status=none
fat=$work/boot.fat
rm -f "$fat"
truncate -s $((boot_sectors * sector)) "$fat"
mkfs.fat -F 16 -h $boot_start -n BOOT "$fat" > /dev/null
cat > syslinux.cfg <<CONFIG
SERIAL 0 115200
DEFAULT linux
PROMPT 0
LABEL linux
  KERNEL vmlinuz
  INITRD initrd.gz
  APPEND console=tty0 console=ttyS0,115200 data=/dev/sda2
CONFIG
mcopy -i "$fat" "$out/vmlinuz" "$out/initrd.gz" syslinux.cfg ::
syslinux --install "$fat"
dd if="$fat" of="$image" bs=$sector seek=$boot_start conv=notrunc status=none
data=$work/data.ext4
rm -rf "$data" contents
mkdir contents
echo "DATA PARTITION MOUNTED" > contents/greeting
mke2fs -q -t ext4 -d contents -L DATA "$data" $(((total - data_start) / 2))k
dd if="$data" of="$image" bs=$sector seek=$data_start conv=notrunc status=none
ls -l "$out/vmlinuz" "$out/initrd.gz" "$image"
