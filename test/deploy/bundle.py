"""Makes a bundle that runc runs: bundle.py ARCHIVE BUNDLE SOURCE PROGRAM [ARGUMENT...]

Checks that every blob of the OCI archive has the digest and size that the image says, unpacks it, and asks
for the rights of the DaemonSet: NET_ADMIN alone, a read-only root. The network namespace is the caller's.
SOURCE is mounted as /source.
"""

import gzip
import hashlib
import io
import json
import pathlib
import sys
import tarfile


class Archive:
    def __init__(self, file):
        with tarfile.open(file) as tar:
            self.files = {member.name: tar.extractfile(member).read() for member in tar}

    def blob(self, descriptor):
        algorithm, _, digest = descriptor["digest"].partition(":")
        content = self.files[f"blobs/{algorithm}/{digest}"]
        assert hashlib.sha256(content).hexdigest() == digest, descriptor
        assert len(content) == descriptor["size"], descriptor
        return content


def unpack(archive, root):
    """The image's configuration; its files go to root."""
    assert json.loads(archive.files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(archive.files["index.json"])["manifests"]
    manifest = json.loads(archive.blob(entry))
    config = json.loads(archive.blob(manifest["config"]))
    for layer, expected in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        content = gzip.decompress(archive.blob(layer))
        assert "sha256:" + hashlib.sha256(content).hexdigest() == expected
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            tar.extractall(root)
    return config


def mount(target, kind, options=(), source=None):
    return {"destination": target, "type": kind, "source": source or kind, "options": list(options)}


def specification(config, arguments, source):
    rights = ["CAP_NET_ADMIN"]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": arguments,
            "env": config["config"]["Env"],
            "cwd": config["config"]["WorkingDir"],
            "capabilities": {kind: rights for kind in ("bounding", "effective", "permitted")},
            "noNewPrivileges": True,
        },
        "root": {"path": "root", "readonly": True},
        "mounts": [mount("/proc", "proc"), mount("/run", "tmpfs"), mount("/var/log", "tmpfs"),
                   mount("/source", "bind", ["bind", "ro"], source)],
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]},
    }


def main(file, bundle, source, *arguments):
    root = pathlib.Path(bundle) / "root"
    if not root.exists():
        config = unpack(Archive(file), root)
        (pathlib.Path(bundle) / "image.json").write_text(json.dumps(config))
    config = json.loads((pathlib.Path(bundle) / "image.json").read_text())
    text = json.dumps(specification(config, list(arguments), source))
    (pathlib.Path(bundle) / "config.json").write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
