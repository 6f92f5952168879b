"""Packs the image: archive.py WORK OUTPUT.

Takes what contents.py laid out in WORK, and writes an OCI archive and its SPDX document to OUTPUT.
Nothing in them depends on the time, the user or the machine.
"""

import datetime
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tarfile

import sbom

BLOBS = "blobs/sha256/"


def digest(content):
    return hashlib.sha256(content).hexdigest()


def compact(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def seconds_of(date):
    """The start of that day; 1970 if it is not known."""
    if date == "unknown":
        return 0
    day = datetime.datetime.strptime(date, "%Y-%m-%d")
    return int(day.replace(tzinfo=datetime.timezone.utc).timestamp())


def entry(name, time, mode):
    info = tarfile.TarInfo(name)
    info.mtime = time
    info.mode = mode
    return info


def layer_of(root, time):
    """The files of a folder as a tar archive, sorted, owned by root."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for file in sorted(root.rglob("*"), key=str):
            info = entry(str(file.relative_to(root)), time, 0o755)
            if file.is_symlink():
                info.type = tarfile.SYMTYPE
                info.linkname = str(file.readlink())
                tar.addfile(info)
            elif file.is_dir():
                info.type = tarfile.DIRTYPE
                info.mode = 0o1777 if info.name == "tmp" else 0o755
                tar.addfile(info)
            else:
                info.mode = file.stat().st_mode & 0o777
                info.size = file.stat().st_size
                with file.open("rb") as content:
                    tar.addfile(info, content)
    return packed.getvalue()


def config_of(image, layer, created):
    labels = {
        "org.opencontainers.image.title": "iptproxy",
        "org.opencontainers.image.description": "kube-proxy in iptables mode, replaced",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.version": image["version"],
        "org.opencontainers.image.revision": image["commit"],
        "org.opencontainers.image.created": created,
    }
    return {
        "architecture": image["architecture"],
        "os": "linux",
        "created": created,
        "config": {
            "Entrypoint": ["/usr/local/bin/iptproxy"],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "WorkingDir": "/",
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(layer)}"]},
        "history": [{"created": created, "created_by": "deploy/image/build"}],
    }


def blobs_of(image, layer, created):
    """Name and content of each file of the archive."""
    blobs = {}

    def store(media_type, content):
        blobs[BLOBS + digest(content)] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest(content)}",
                "size": len(content)}

    compressed = subprocess.run(["gzip", "-9", "--no-name"], input=layer, check=True,
                                stdout=subprocess.PIPE).stdout
    config = store("application/vnd.oci.image.config.v1+json",
                   compact(config_of(image, layer, created)))
    stored_layer = store("application/vnd.oci.image.layer.v1.tar+gzip", compressed)
    manifest = store("application/vnd.oci.image.manifest.v1+json", compact({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [stored_layer],
    }))
    tag = f"iptproxy:{image['version']}"
    manifest |= {
        "platform": {"architecture": image["architecture"], "os": "linux"},
        "annotations": {"io.containerd.image.name": f"docker.io/library/{tag}",
                        "org.opencontainers.image.ref.name": image["version"]},
    }
    blobs["index.json"] = compact({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest],
    })
    blobs["oci-layout"] = compact({"imageLayoutVersion": "1.0.0"})
    # For `docker load` before version 25.
    paths = {key: BLOBS + part["digest"].removeprefix("sha256:")
             for key, part in (("Config", config), ("Layer", stored_layer))}
    blobs["manifest.json"] = compact([
        {"Config": paths["Config"], "RepoTags": [tag], "Layers": [paths["Layer"]]}])
    return blobs, manifest["digest"]


def main(work, output):
    image = json.loads((work / "image.json").read_text())
    time = seconds_of(image["date"])
    created = datetime.datetime.fromtimestamp(time, datetime.timezone.utc).strftime(
        "%Y-%m-%dT%H:%M:%SZ")
    layer = layer_of(work / "root", time)
    blobs, image_digest = blobs_of(image, layer, created)
    name = f"iptproxy-{image['version']}-{image['architecture']}"
    with tarfile.open(output / f"{name}.oci.tar", mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, content in sorted(blobs.items()):
            info = entry(path, time, 0o644)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    (output / f"{name}.spdx.json").write_text(
        json.dumps(sbom.document(image, image_digest, created), indent=2) + "\n")

    files = [file for file in (work / "root").rglob("*") if file.is_file() and not file.is_symlink()]
    size = sum(file.stat().st_size for file in files)
    packed = sum(len(content) for content in blobs.values())
    print(f"{output / name}.oci.tar  {image_digest}\n{len(files)} files, {size / 1e6:.1f} MB, "
          f"{packed / 1e6:.1f} MB compressed")


if __name__ == "__main__":
    main(*(pathlib.Path(argument) for argument in sys.argv[1:]))
