"""Lays the schemas that the package kubernetes-validate carries out as kubeconform reads them,
with references to files in place of those to web addresses: schemas.py FOLDER VERSION"""

import json
import pathlib
import sys

import kubernetes_validate

folder, version = pathlib.Path(sys.argv[1]), sys.argv[2]
packed = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
for flavour in ("local", "local-strict"):
    source, target = packed / f"v{version}-{flavour}", folder / f"v{version}-{flavour}"
    target.mkdir(parents=True, exist_ok=True)
    for file in source.glob("*.json"):
        schema = json.loads(file.read_text().replace('"/api/_definitions.json#', '"_definitions.json#'))
        schema.pop("$id", None)
        (target / file.name).write_text(json.dumps(schema))
