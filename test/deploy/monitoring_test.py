#!/usr/bin/env python3
"""Alerts and dashboards against Prometheus' own tool.

Every alert is tried silent and firing and has its place in the runbooks; every expression of a dashboard is
evaluated over series of the metrics that the program exports, and finds something.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap

SOURCES = pathlib.Path(__file__).resolve().parent.parent.parent
MONITORING = SOURCES / "deploy/kustomize/components/monitoring"

# The labels that the program gives its series, as far as expressions name them.
LABELS = {
    "iptproxy_build_info": {"version": "0.2.0", "commit": "1"},
    "iptproxy_rules": {"kind": "KUBE-SERVICES", "table": "nat", "ip_family": "IPv4"},
    "iptproxy_watch_age_seconds": {"resource": "services"},
    "iptproxy_service_": {"ip_family": "IPv4", "namespace": "default", "service": "web",
                          "port": "http", "protocol": "tcp"},
    "kubeproxy_proxy_healthz_total": {"code": "200"},
    "kubeproxy_sync_proxy_rules_no_local_endpoints_total": {"traffic_policy": "external"},
    "rest_client_requests_total": {"code": "200", "host": "h", "method": "GET"},
    "kubeproxy_": {"ip_family": "IPv4"},
    "iptproxy_": {"ip_family": "IPv4"},
}


def promtool(folder, *arguments):
    done = subprocess.run(["promtool", *arguments], cwd=folder, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise SystemExit(f"promtool {' '.join(arguments)}:\n{done.stdout}")


def exported_metrics():
    """Names of all metrics in the program's source."""
    text = "".join(file.read_text() for file in sorted((SOURCES / "proxy/report").iterdir())
                   if file.suffix in (".h", ".cpp"))
    names = re.findall(r'"((?:kubeproxy|iptproxy|rest_client|process)_[a-z_0-9]+)"', text)
    return set(names)


def series_of(name):
    """Input series of promtool for one metric."""
    labels = {"job": "kube-proxy", "instance": "node-1"}
    labels |= next((more for prefix, more in LABELS.items() if name.startswith(prefix)), {})
    buckets = ["0.1", "+Inf"] if name.endswith("_bucket") else [None]
    for bucket in buckets:
        given = labels | ({"le": bucket} if bucket else {})
        text = ", ".join(f'{key}="{value}"' for key, value in given.items())
        yield {"series": f"{name}{{{text}}}", "values": "1+1x120"}


def expressions():
    """Title and expression of everything that the dashboards show."""
    for file in sorted(MONITORING.glob("*.json")):
        dashboard = json.loads(file.read_text())
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(ids) == len(set(ids)), f"{file.name}: two panels have one id"
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                text = target["expr"].replace("$__rate_interval", "5m")
                text = text.replace("$instance", ".*").replace("$namespace", ".*")
                assert "$" not in text, f"{panel['title']}: unknown variable in {text}"
                yield f"{file.name}: {panel['title']}", text


def metrics_in(expression):
    return re.findall(r"\b((?:kubeproxy|iptproxy|rest_client|process)_[a-z_0-9]+)\b", expression)


def check_dashboards(folder):
    """As JSON is YAML, the files for promtool are written as that."""
    exported = exported_metrics()
    used = set()
    tests = []
    for title, expression in expressions():
        for name in metrics_in(expression):
            base = re.sub(r"_(bucket|count|sum)$", "", name)
            assert name in exported or base in exported, f"{title}: no such metric: {name}"
            used.add(name)
        tests.append({"expr": f"count({expression}) > bool 0", "eval_time": "100m",
                      "exp_samples": [{"labels": "{}", "value": 1}]})
    assert len(tests) > 20, "hardly anything was found in the dashboards"
    series = [one for name in sorted(used) for one in series_of(name)]
    (folder / "dashboards.yaml").write_text(json.dumps({
        "rule_files": [], "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": tests}]}))
    promtool(folder, "test", "rules", "dashboards.yaml")
    print(f"dashboards: {len(tests)} expressions find something")


def check_alerts(folder):
    text = (MONITORING / "alerts.yaml").read_text()
    _, _, groups = text.partition("\nspec:\n")
    (folder / "rules.yaml").write_text(textwrap.dedent(groups))
    scenarios = (pathlib.Path(__file__).parent / "alerts_test.yaml").read_text()
    (folder / "alerts_test.yaml").write_text(scenarios)
    promtool(folder, "check", "rules", "rules.yaml")
    promtool(folder, "test", "rules", "alerts_test.yaml")

    headings = {re.sub(r"[^a-z0-9-]", "", line.removeprefix("## ").lower().replace(" ", "-"))
                for line in (SOURCES / "deploy/guide/runbooks.md").read_text().splitlines()
                if line.startswith("## ")}
    alerts = re.findall(r"- alert: (\w+)", text)
    for alert in alerts:
        silent = re.search(rf"alertname: {alert}, exp_alerts: \[\]", scenarios)
        fires = re.search(rf"alertname: {alert}\n\s+exp_alerts:\n\s+- exp_labels", scenarios)
        assert silent and fires, f"{alert}: try it silent and firing"
        assert f"runbook_url: deploy/guide/runbooks.md#{alert.lower()}\n" in text, alert
        assert alert.lower() in headings, f"{alert} has no place in runbooks.md"
    assert len(alerts) >= 8
    print(f"alerts: {len(alerts)}, each silent and firing")


if __name__ == "__main__":
    if shutil.which("promtool") is None:
        print("SKIPPED: promtool is not installed")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as name:
        check_dashboards(pathlib.Path(name))
        check_alerts(pathlib.Path(name))
