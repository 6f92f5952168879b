"""Prints what a program's package depends on: depends.py PROGRAM ROOT

The packages of the libraries that the program names, in at least the upstream version that ROOT has. For another architecture,
for which dpkg-shlibdeps would look into the packages of this system.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "image"))
import contents


def without_revision(version):
    return version.rpartition("-")[0] or version


def main(program, root):
    architecture = contents.architecture_of(program)
    folder = pathlib.Path("usr/lib") / contents.TRIPLETS[architecture]
    paths = [str(folder / library) for library in contents.needed_by(program)]
    packages = contents.Packages(root)
    described = [packages.describe(name, architecture) for name in packages.owners(paths)]
    print(", ".join(f"{fields['Package']} (>= {without_revision(fields['Version'])})" for fields in described))


if __name__ == "__main__":
    main(*(pathlib.Path(argument) for argument in sys.argv[1:]))
