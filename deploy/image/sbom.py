"""What an image holds, as an SPDX 2.3 document."""

LICENCE_NOTE = "See /usr/share/doc/{}/copyright in the image."


def identifier(name):
    """Of an element: letters, digits, dots and hyphens only."""
    return "SPDXRef-" + "".join(c if c.isalnum() or c in ".-" else "-" for c in name)


def debian_package(fields):
    name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
    locator = f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch={architecture}"
    return {
        "SPDXID": identifier(name),
        "name": name,
        "versionInfo": version,
        "supplier": f"Organization: {fields['Maintainer']}",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "homepage": fields["Homepage"] or "NOASSERTION",
        "sourceInfo": f"built from Debian's source package {fields['source:Package']} "
                      f"{fields['source:Version']}",
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "licenseComments": LICENCE_NOTE.format(name),
        "copyrightText": "NOASSERTION",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                          "referenceLocator": locator}],
    }


def own_package(image, name, kind):
    return {
        "SPDXID": identifier(name),
        "name": name,
        "versionInfo": image["version"],
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "primaryPackagePurpose": kind,
        "sourceInfo": f"commit {image['commit']} of {image['date']}",
        "licenseConcluded": "NOASSERTION" if kind == "CONTAINER" else "Apache-2.0",
        "licenseDeclared": "NOASSERTION" if kind == "CONTAINER" else "Apache-2.0",
        "copyrightText": "NOASSERTION",
    }


def relation(element, kind, related):
    return {"spdxElementId": identifier(element), "relationshipType": kind,
            "relatedSpdxElement": identifier(related)}


def document(image, digest, created):
    """`image` is what contents.py says; `digest` that of its manifest."""
    container = own_package(image, "image", "CONTAINER")
    container["checksums"] = [{"algorithm": "SHA256",
                               "checksumValue": digest.removeprefix("sha256:")}]
    program = own_package(image, "iptproxy", "APPLICATION")
    installed = [debian_package(fields) for fields in image["packages"]]
    compiled_in = [debian_package(fields) for fields in image["compiled_in"]]
    relations = [relation("DOCUMENT", "DESCRIBES", "image"),
                 relation("image", "CONTAINS", "iptproxy")]
    relations += [relation("image", "CONTAINS", package["name"]) for package in installed]
    relations += [relation("iptproxy", "STATIC_LINK", package["name"]) for package in compiled_in]
    name = f"iptproxy-{image['version']}-{image['architecture']}"
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{digest.removeprefix('sha256:')}",
        "creationInfo": {"created": created, "creators": ["Tool: iptproxy-deploy-image-build"]},
        "packages": [container, program] + installed + compiled_in,
        "relationships": relations,
    }
