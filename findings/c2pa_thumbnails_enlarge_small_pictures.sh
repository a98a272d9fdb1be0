#!/usr/bin/env bash
# A picture of 64 pixels, signed by c2pa, carries its "thumbnail" at 1024: twelve times the file's bytes.
#
# One would guess: signing adds a manifest of some kilobytes, and a preview only of pictures that are larger
#   than a preview; a picture named as an ingredient is a hash.
# True: by default Builder.sign stores a JPEG of the signed picture, and add_ingredient one of the
#   ingredient, both scaled to a long edge of 1024 pixels, enlarged if they are smaller. The ingredient's
#   picture is in the file for whoever opens it. No warning; the settings' builder.thumbnail.enabled
#   false leaves both out. A signed picture of 64² grows from 7 to 90 kB, with an ingredient to 169 kB.
# Why it matters here: renders and crops of this field are 64² to 512², and the ingredient is the
#   photograph of somebody: who signs a render to say how it was made also publishes the photograph,
#   larger than the network saw it, and thousands of signed renders are mostly thumbnails.
# Found with c2pa-python 0.38.1 (c2pa 0.91.3), cryptography 50.0.2, pillow 13.0.0, numpy 2.3.5, 2026-11-30.
# Output on 2026-11-30:
#   c2pa-python 0.38.1 c2pa 0.91.3
#   64², no ingredient, default settings: 7265 bytes, signed 89658, thumbnails [(1024, 1024)]
#   64², no ingredient, without thumbnails: 7265 bytes, signed 10364, thumbnails []
#   64², with ingredient, default settings: 7265 bytes, signed 169364, thumbnails [(1024, 1024), (1024, 1024)]
#   64², with ingredient, without thumbnails: 7265 bytes, signed 10658, thumbnails []
#   2048², no ingredient, default settings: 1380669 bytes, signed 1456572, thumbnails [(1024, 1024)]
#   2048², no ingredient, without thumbnails: 1380669 bytes, signed 1383768, thumbnails []
#   2048², with ingredient, default settings: 1380669 bytes, signed 1529788, thumbnails [(1024, 1024), (1024, 1024)]
#   2048², with ingredient, without thumbnails: 1380669 bytes, signed 1384062, thumbnails []
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'c2pa-python==0.38.1' \
  'cryptography==50.0.2' 'pillow==13.0.0' 'numpy==2.3.5' \
  2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/thumbnails.py" <<'PY'
import datetime
import io
import json
import sys

import c2pa
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
PEM = serialization.Encoding.PEM
UNUSED = dict.fromkeys(
    ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
     "decipher_only"),
    False,
)


def certificate(subject, key, issuer, issuer_key, is_root):
    """One link of a chain of two, valid for a day."""
    now = datetime.datetime.now(datetime.timezone.utc)
    name = [
        x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "example"),
                   x509.NameAttribute(NameOID.COMMON_NAME, each)])
        for each in (subject, issuer)
    ]
    usage = x509.KeyUsage(
        digital_signature=not is_root, key_cert_sign=is_root, crl_sign=is_root, **UNUSED
    )
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = (
        x509.CertificateBuilder().subject_name(name[0]).issuer_name(name[1])
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(is_root, None), True)
        .add_extension(usage, True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(authority, False)
    )
    if not is_root:
        mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(mail, False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(PEM)


root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
chain = certificate("signer", key, "root", root_key, False) + certificate(
    "root", root_key, "root", root_key, True
)
private = key.private_bytes(
    PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


def picture(side):
    """A smooth PNG."""
    grid = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


def signed(data, *, ingredient, settings):
    """The signed PNG; `ingredient`: whether the picture is also named as what it was made from."""
    action = {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    }
    definition = {
        "claim_generator_info": [{"name": "example", "version": "1"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    builder = c2pa.Builder.from_json(
        json.dumps(definition), context=c2pa.Context.from_dict(settings)
    )
    if ingredient:
        builder.add_ingredient({"title": "photograph", "relationship": "inputTo"}, "image/png", io.BytesIO(data))
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo("es256", chain, private, None))
    output = io.BytesIO()
    builder.sign(signer, "image/png", io.BytesIO(data), output)
    return output.getvalue()


def thumbnails(data):
    """Sizes of the pictures in the manifest: of the file, of its ingredients."""
    reader = c2pa.Reader("image/png", io.BytesIO(data))
    store = json.loads(reader.json())
    manifest = store["manifests"][store["active_manifest"]]
    sizes = []
    for part in (manifest, *manifest.get("ingredients", [])):
        if "thumbnail" in part:
            file = io.BytesIO()
            reader.resource_to_stream(part["thumbnail"]["identifier"], file)
            sizes.append(Image.open(io.BytesIO(file.getvalue())).size)
    return sizes


print("c2pa-python", c2pa.__version__, "c2pa", c2pa.sdk_version())
found = {}
for side in (64, 2048):
    plain = picture(side)
    for ingredient in (False, True):
        for shown, settings in (
            ("default settings", OFFLINE),
            ("without thumbnails", OFFLINE | {"builder": {"thumbnail": {"enabled": False}}}),
        ):
            result = signed(plain, ingredient=ingredient, settings=settings)
            found[side, ingredient, shown] = sizes = thumbnails(result)
            print(
                f"{side}², {'with' if ingredient else 'no'} ingredient, {shown}: {len(plain)} bytes,"
                f" signed {len(result)}, thumbnails {sizes}"
            )
as_described = all(
    sizes == ([(1024, 1024)] * (1 + ingredient) if shown == "default settings" else [])
    for (_, ingredient, shown), sizes in found.items()
)
sys.exit(0 if as_described else "the behaviour has changed")
PY
"$work/venv/bin/python" "$work/thumbnails.py"
