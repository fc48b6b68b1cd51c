// Writes src/block/fixtures: the disk of test-disk.ts in every format that qemu-img makes, and what must be refused. Each file is
// gzip-compressed, since formats keep their tables in large empty clusters. Needs qemu-img (Debian: qemu-utils), xz and zip.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { importTypeScript } from "./import-typescript.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const target = join(root, "src/block/fixtures");
const work = mkdtempSync(join(tmpdir(), "trapscope-fixtures-"));
const { testDisk } = await importTypeScript("src/block/test-disk.ts");

const at = (name) => join(work, name);
const run = (command, ...words) => execFileSync(command, words, { cwd: work, stdio: ["ignore", "ignore", "inherit"] });
const keep = (name) => writeFileSync(join(target, `${name}.gz`), gzipSync(readFileSync(at(name)), { level: 9 }));
const convert = (format, name, ...words) => {
  run("qemu-img", "convert", "-f", "raw", "-O", format, ...words, "disk.img", name);
  keep(name);
};

mkdirSync(target, { recursive: true });
writeFileSync(at("disk.img"), testDisk());
convert("qcow2", "v3.qcow2");
convert("qcow2", "v2.qcow2", "-o", "compat=0.10,cluster_size=4096");
convert("qcow2", "compressed.qcow2", "-c", "-o", "cluster_size=32k");
convert("qcow2", "zstd.qcow2", "-c", "-o", "compression_type=zstd");
convert("qcow2", "extended.qcow2", "-o", "extended_l2=on,cluster_size=16k");
run("qemu-img", "create", "-f", "qcow2", "-b", "v3.qcow2", "-F", "qcow2", "backing.qcow2");
keep("backing.qcow2");
run("qemu-img", "create", "-f", "qcow2", "--object", "secret,id=key,data=x", "-o", "encrypt.format=aes,encrypt.key-secret=key", "encrypted.qcow2", "1M");
keep("encrypted.qcow2");
convert("vdi", "dynamic.vdi");
convert("vdi", "static.vdi", "-o", "static=on");
convert("vpc", "fixed.vhd", "-o", "subformat=fixed,force_size=on");
convert("vpc", "dynamic.vhd", "-o", "subformat=dynamic,force_size=on");
convert("vmdk", "sparse.vmdk", "-o", "subformat=monolithicSparse");
convert("vmdk", "stream.vmdk", "-o", "subformat=streamOptimized");
convert("vmdk", "flat.vmdk", "-o", "subformat=monolithicFlat");
convert("vmdk", "split.vmdk", "-o", "subformat=twoGbMaxExtentSparse");
truncateSync(at("disk.img"), testDisk().length);
run("xz", "-k", "--check=crc64", "disk.img");
writeFileSync(join(target, "disk.img.xz"), readFileSync(at("disk.img.xz")));
rmSync(work, { recursive: true });
