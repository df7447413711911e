"""YAML blocks of the documents: what each is, made whole where it is a part."""

from __future__ import annotations

import json
from typing import Any

import yaml
from harness import PROJECT

from coral_action.config.schema import Config, ModelConfig

ACTION = yaml.safe_load((PROJECT / "action.yml").read_text(encoding="utf-8"))
_JOB: dict[str, Any] = {"runs-on": "ubuntu-latest"}
_STEPS = [{"run": "true"}]


def parsed(text: str) -> Any:
    """YAML 1.2 as workflows are read: `on` is a word."""
    data = yaml.safe_load(text)
    if isinstance(data, dict) and True in data:
        data["on"] = data.pop(True)
    return data


def kind_of(data: Any) -> str:
    """`config` (coral.yml or a part of it), `workflow` (likewise), `gitlab`, or "" for neither."""
    if isinstance(data, list):
        return "workflow" if all({"uses", "run"} & step.keys() for step in data) else ""
    keys = set(data)
    if keys <= set(Config.model_fields) or keys <= set(ModelConfig.model_fields):
        return "config"
    if keys <= {"name", "on", "permissions", "concurrency", "jobs", "env"}:
        return "workflow"
    if all(isinstance(job, dict) and "script" in job for job in data.values()):
        return "gitlab"
    return ""


def whole_config(data: dict[str, Any]) -> str:
    """A coral.yml that holds the part."""
    if "models" in data:
        return json.dumps(data)
    model = {"name": "model", "source": "model", "calibration": {"images": "data"}}
    if "accuracy_drop" in data.get("limits", {}) and "evaluation" not in data:
        model |= {"evaluation": {"images": "data/test", "labels": "folders"}}
    return json.dumps({"version": 1, "models": [model | data]})


def whole_workflow(data: Any) -> dict[str, Any]:
    """A workflow that holds the part: steps, or keys of a workflow."""
    if isinstance(data, list):
        data = {"jobs": {"job": {**_JOB, "steps": data}}}
    return {"on": "push", "jobs": {"job": {**_JOB, "steps": _STEPS}}, **data}


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    """All steps of all jobs."""
    return [step for job in workflow["jobs"].values() for step in job.get("steps", ())]
