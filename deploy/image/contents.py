"""Lays out the root folder of the image: contents.py PROGRAM ROOT WORK.

WORK/root gets the files, WORK/image.json what they are: version, commit, date, architecture, packages.
Files of packages are taken from ROOT, where dpkg has installed them.
"""

import gzip
import json
import pathlib
import re
import shutil
import stat
import subprocess
import sys

TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
MACHINES = {"X86-64": "amd64", "AArch64": "arm64"}  # as readelf spells them
LOADERS = {"amd64": "lib64/ld-linux-x86-64.so.2", "arm64": "lib/ld-linux-aarch64.so.1"}

LARGE_TEXT = 4_000  # bytes, from which on a licence is compressed

# Both variants of iptables, as which one is used depends on the node; and what loads modules.
PROGRAMS = ["usr/sbin/xtables-nft-multi", "usr/sbin/xtables-legacy-multi", "usr/bin/kmod"]

# Headers that are compiled into the program: their licences belong to it, too.
COMPILED_IN = ["usr/include/CLI/CLI.hpp", "usr/include/boost/version.hpp"]

IPTABLES_LINKS = {
    f"usr/sbin/{family}{variant}{action}": f"xtables-{multi}-multi"
    for family in ("iptables", "ip6tables")
    for variant, multi in (("", "nft"), ("-nft", "nft"), ("-legacy", "legacy"))
    for action in ("", "-save", "-restore")
}

LINKS = IPTABLES_LINKS | {
    # Where kubeadm, kops, Talos and others look for kube-proxy, so that another image is a migration.
    "usr/local/bin/kube-proxy": "iptproxy",
    "go-runner": "usr/local/bin/iptproxy",
    "usr/sbin/modprobe": "../bin/kmod",
    "usr/lib/ssl/cert.pem": "../../../etc/ssl/certs/ca-certificates.crt",
    "bin": "usr/bin",
    "lib": "usr/lib",
    "sbin": "usr/sbin",
}

TEXTS = {
    "etc/passwd": "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}

# Where things are mounted: the root is read-only.
FOLDERS = ["dev", "etc/kubernetes", "proc", "run", "sys", "tmp", "usr/lib/modules",
           "usr/local/bin", "var/lib/iptproxy", "var/lib/kube-proxy", "var/log"]


def output_of(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def needed_by(program):
    """The libraries that a program or a library names."""
    dynamic = output_of("readelf", "--dynamic", "--wide", program)
    return re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)


def without_boost_notices(text):
    """The Boost Software License asks for no notice beside object code; Boost names 16,000 files under
    it, and more than a megabyte of those who wrote them. What is under another licence, too, stays."""
    return b"\n\n".join(paragraph for paragraph in text.split(b"\n\n")
                       if not re.search(rb"^License: BSL-1\.0$", paragraph, re.MULTILINE)
                       or not paragraph.lstrip().startswith(b"Files:"))


class Packages:
    """What dpkg knows about the files of a root."""

    def __init__(self, root):
        self.root = root
        self.database = f"--admindir={root / 'var/lib/dpkg'}"

    def owners(self, paths):
        """Names of the packages of the files, sorted. Since folders were merged, dpkg may know a file
        of /usr/lib as one of /lib."""
        names = [name for path in paths for name in (f"/{path}", "/" + path.removeprefix("usr/"))]
        found = subprocess.run(["dpkg-query", self.database, "--search", *names],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        owner_of = {}
        for line in found.stdout.splitlines():
            package, _, path = line.partition(": ")
            if not package.startswith("diversion "):
                owner_of[path] = package.split(",")[0].partition(":")[0]
        owners = [owner_of.get(f"/{path}") or owner_of.get("/" + path.removeprefix("usr/"))
                  for path in paths]
        if None in owners:
            raise SystemExit(f"no package owns {paths[owners.index(None)]}")
        return sorted(set(owners))

    def describe(self, name, architecture):
        """The fields of an installed package."""
        fields = ["Package", "Version", "Architecture", "Maintainer", "source:Package",
                  "source:Version", "Homepage"]
        shape = "".join(f"${{{field}}}\n" for field in fields)
        lines = output_of("dpkg-query", self.database, "--show", f"--showformat={shape}%\n", name)
        for block in lines.split("%\n"):
            found = dict(zip(fields, block.split("\n")))
            if found.get("Architecture") in (architecture, "all"):
                return found
        raise SystemExit(f"package {name} is not installed for {architecture}")


class Contents:
    """The root folder while it grows."""

    def __init__(self, source, target, architecture):
        self.source = source
        self.target = target
        self.libraries = pathlib.Path("usr/lib") / TRIPLETS[architecture]
        self.taken = []  # paths that come from packages

    def place(self, path, source):
        """Copies a file, following links, with no more of its mode than whether it can be executed."""
        file = self.target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, file)
        is_program = source.stat().st_mode & stat.S_IXUSR
        file.chmod(0o755 if is_program else 0o644)

    def place_licence(self, path):
        """A text from a package, which is returned; compressed if it is large."""
        text = without_boost_notices((self.source / path).read_bytes())
        if len(text) < LARGE_TEXT:
            file = self.target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text)
            file.chmod(0o644)
        else:
            file = self.target / f"{path}.gz"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(gzip.compress(text, mtime=0))
            file.chmod(0o644)
        return text

    def take(self, path):
        """A file of a package, once. One that is another name of its neighbour stays that."""
        if path in self.taken:
            return
        self.taken.append(path)
        source = self.source / path
        if source.is_symlink() and source.parent.name == "xtables":
            self.link(path, source.readlink())
        else:
            self.place(path, source)

    def write(self, path, text):
        file = self.target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o644)

    def link(self, path, aim):
        file = self.target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(aim)

    def take_libraries_of(self, path):
        """What the file needs, and what that needs."""
        for library in needed_by(self.target / path):
            needed = str(self.libraries / library)
            if not (self.source / needed).exists():
                needed = f"usr/lib/{library}"
            if needed not in self.taken:
                self.take(needed)
                self.take_libraries_of(needed)


def architecture_of(program):
    header = output_of("readelf", "--file-header", program)
    machine = re.search(r"Machine:\s+(.*)", header)[1]
    for name, architecture in MACHINES.items():
        if name in machine:
            return architecture
    raise SystemExit(f"{program}: no image is made for {machine}")


def identity_of(program, root, architecture):
    """What the program says of itself: version, commit, date."""
    native = output_of("dpkg", "--print-architecture").strip() == architecture
    emulator = [] if native else [f"qemu-{TRIPLETS[architecture].split('-')[0]}", "-L", root]
    words = output_of(*emulator, program, "--version=raw").split()
    return {key: value for key, _, value in (word.partition("=") for word in words)
            if key in ("version", "commit", "date")}


def install_program(contents, program, architecture):
    """The program without symbols, and without the linker's hash of it, which depends on the folder
    that it was built in."""
    target = contents.target / "usr/local/bin/iptproxy"
    subprocess.run([f"{TRIPLETS[architecture]}-strip", "--strip-all",
                    "--remove-section=.note.gnu.build-id", "-o", target, program], check=True)
    target.chmod(0o755)
    contents.take_libraries_of("usr/local/bin/iptproxy")


def install_packages(contents, architecture):
    loader = LOADERS[architecture]
    real_loader = str(contents.libraries / pathlib.Path(loader).name)
    contents.take(real_loader)
    if loader.startswith("lib64"):
        contents.link(loader, f"../{real_loader}")
    else:
        contents.link(f"usr/{loader}", f"{TRIPLETS[architecture]}/{pathlib.Path(loader).name}")
    # Those of ebtables and arptables are not for iptables.
    folder = contents.source / contents.libraries / "xtables"
    extensions = sorted([*folder.glob("libxt_*.so"), *folder.glob("libip*_*.so")],
                        key=lambda file: (file.is_symlink(), file.name))
    for path in PROGRAMS + [str(file.relative_to(contents.source)) for file in extensions]:
        contents.take(path)
        contents.take_libraries_of(path)


def install_texts(contents, packages):
    """Certificates as the package has them, whatever was added on this machine; licences."""
    for path, text in TEXTS.items():
        contents.write(path, text)
    certificates = sorted((contents.source / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    contents.write("etc/ssl/certs/ca-certificates.crt",
                   "".join(file.read_text() for file in certificates))
    contents.place("etc/os-release", contents.source / "usr/lib/os-release")
    common = set()
    for name in packages:
        path = f"usr/share/doc/{name}/copyright"
        text = contents.place_licence(path)
        common |= set(re.findall(rb"/usr/share/common-licenses/([A-Za-z0-9.-]*[A-Za-z0-9])", text))
    for licence in sorted(name.decode() for name in common):
        contents.place_licence(f"usr/share/common-licenses/{licence}")
    contents.place("usr/share/doc/iptproxy/copyright",
                   pathlib.Path(__file__).parent.parent.parent / "LICENSE")


def main(program, root, work):
    architecture = architecture_of(program)
    identity = identity_of(program, root, architecture)
    target = work / "root"
    contents = Contents(root, target, architecture)
    for folder in FOLDERS:
        (target / folder).mkdir(parents=True, exist_ok=True)
    for path, aim in LINKS.items():
        contents.link(path, aim)
    install_program(contents, program, architecture)
    install_packages(contents, architecture)

    packages = Packages(root)
    installed = packages.owners(contents.taken + ["usr/share/ca-certificates/mozilla",
                                                  "usr/lib/os-release"])
    compiled_in = packages.owners(COMPILED_IN)
    install_texts(contents, installed + compiled_in)
    described = [packages.describe(name, architecture) for name in installed]
    for fields in described:  # where scanners of images without dpkg look
        contents.write(f"var/lib/dpkg/status.d/{fields['Package']}",
                       "".join(f"{key}: {fields[key]}\n"
                               for key in ("Package", "Version", "Architecture", "Maintainer"))
                       + f"Source: {fields['source:Package']} ({fields['source:Version']})\n")
    (work / "image.json").write_text(json.dumps(identity | {
        "architecture": architecture,
        "packages": described,
        "compiled_in": [packages.describe(name, architecture) for name in compiled_in],
    }))


if __name__ == "__main__":
    main(*(pathlib.Path(argument) for argument in sys.argv[1:]))
