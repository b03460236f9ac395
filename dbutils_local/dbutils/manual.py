"""The help texts of `dbutils`, in the layout of Databricks and in our own words (reference 6.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its signature as Databricks writes it, and what it does here."""

    signature: str
    description: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Module:
    """One member of `dbutils`."""

    class_name: str
    description: str
    commands: Mapping[str, Command] = field(default_factory=dict)


def _c(signature: str, description: str, group: str = "") -> Command:
    return Command(signature, description, group)


_MOUNT = (
    '(source: String, mountPoint: String, encryptionType: String = "", owner: String = null, '
    "extraConfigs: Map = Map.empty): boolean"
)

MODULES: Mapping[str, Module] = {
    "api": Module("ApiUtils", "Application build utilities; not available on this machine"),
    "credentials": Module(
        "DatabricksCredentialUtils",
        "Roles and service credentials; there are none on this machine",
        {
            "assumeRole": _c("assumeRole(role: String): boolean", "Refused here: cloud roles belong to a cluster"),
            "getCurrentCredentials": _c("getCurrentCredentials: Map", "Refused here: cloud roles belong to a cluster"),
            "getServiceCredentialsProvider": _c(
                "getServiceCredentialsProvider(credentialName: String): Object",
                "Refused here: service credentials live in Unity Catalog",
            ),
            "showCurrentRole": _c("showCurrentRole: List", "The role in use: always an empty list here"),
            "showRoles": _c("showRoles: List", "The roles one could assume: always an empty list here"),
        },
    ),
    "data": Module(
        "DataUtils",
        "Looks into data sets",
        {
            "summarize": _c(
                "summarize(df: Object, precise: boolean): void", "Shows a profile of every column of a data frame"
            )
        },
    ),
    "fs": Module(
        "DbfsUtils",
        "Works with files: dbfs:/ and /Volumes are folders here, file:/ is this disk, other schemes need an extra",
        {
            "cp": _c(
                "cp(from: String, to: String, recurse: boolean = false): boolean", "Copies a file or folder", "fsutils"
            ),
            "head": _c(
                "head(file: String, maxBytes: int = 65536): String",
                "Returns the first bytes of a file as text",
                "fsutils",
            ),
            "ls": _c("ls(dir: String): Seq", "Lists a folder", "fsutils"),
            "mkdirs": _c("mkdirs(dir: String): boolean", "Makes a folder and those above it", "fsutils"),
            "mv": _c(
                "mv(from: String, to: String, recurse: boolean = false): boolean", "Moves a file or folder", "fsutils"
            ),
            "put": _c(
                "put(file: String, contents: String, overwrite: boolean = false): boolean",
                "Writes text to a file",
                "fsutils",
            ),
            "rm": _c("rm(dir: String, recurse: boolean = false): boolean", "Removes a file or folder", "fsutils"),
            "mount": _c(
                "mount" + _MOUNT,
                "Makes a folder or store appear under a mount point",
                "mount",
            ),
            "mounts": _c("mounts: Seq", "Lists what is mounted", "mount"),
            "refreshMounts": _c("refreshMounts: boolean", "Reads the mount table again", "mount"),
            "unmount": _c("unmount(mountPoint: String): boolean", "Takes a mount point away", "mount"),
            "updateMount": _c(
                "updateMount" + _MOUNT,
                "Points an existing mount point somewhere else",
                "mount",
            ),
            "cacheFiles": _c("cacheFiles(files: Seq): boolean", "Does nothing, as on Databricks today", "cache"),
            "cacheTable": _c("cacheTable(name: String): boolean", "Does nothing, as on Databricks today", "cache"),
            "uncacheFiles": _c("uncacheFiles(files: Seq): boolean", "Does nothing, as on Databricks today", "cache"),
            "uncacheTable": _c("uncacheTable(name: String): boolean", "Does nothing, as on Databricks today", "cache"),
        },
    ),
    "jobs": Module(
        "JobsUtils",
        "Passes values between the tasks of a job",
        {"taskValues": _c("taskValues: TaskValuesUtils", "Holds set and get; see dbutils.jobs.taskValues.help()")},
    ),
    "jobs.taskValues": Module(
        "TaskValuesUtils",
        "Small JSON values a task leaves for the tasks after it",
        {
            "get": _c(
                "get(taskKey: String, key: String, default: int, debugValue: int): Seq",
                "Returns what a task of this run has set; outside a job, debugValue",
            ),
            "set": _c(
                "set(key: String, value: String): boolean",
                "Leaves a value of at most 48 KiB of JSON; outside a job it does nothing",
            ),
        },
    ),
    "library": Module(
        "LibraryUtils",
        "Handles the libraries of a session",
        {
            "restartPython": _c(
                "restartPython: void", "Starts Python afresh: variables go, widgets stay, the next cell goes on"
            ),
            "install": _c("install(path: String): boolean", "Removed from Databricks: use %pip install"),
            "installPyPI": _c(
                'installPyPI(pypiPackage: String, version: String = "", repo: String = "", extras: String = ""): '
                "boolean",
                "Removed from Databricks: use %pip install",
            ),
            "list": _c("list: Seq", "Removed from Databricks: use %pip list"),
            "updateCondaEnv": _c(
                "updateCondaEnv(envYmlContent: String): boolean", "Removed from Databricks: use %pip install"
            ),
        },
    ),
    "meta": Module("MetaUtils", "Hooks into the Scala compiler; not available on this machine"),
    "notebook": Module(
        "NotebookUtils",
        "Controls the flow of notebooks",
        {
            "exit": _c("exit(value: String): void", "Ends the notebook and hands a value to whoever ran it"),
            "run": _c(
                "run(path: String, timeoutSeconds: int, arguments: Map): String",
                "Runs a notebook on its own and returns its exit value; 0 seconds means no limit",
            ),
        },
    ),
    "preview": Module("Preview", "Utilities in preview; not available on this machine"),
    "secrets": Module(
        "SecretUtils",
        "Reads secrets; they are kept by `dbutils-local secrets`",
        {
            "get": _c("get(scope: String, key: String): String", "Returns a secret as text"),
            "getBytes": _c("getBytes(scope: String, key: String): byte[]", "Returns a secret as bytes"),
            "list": _c("list(scope: String): Seq", "Lists the keys of a scope"),
            "listScopes": _c("listScopes: Seq", "Lists the scopes"),
        },
    ),
    "widgets": Module(
        "WidgetsUtils",
        "Gives a notebook parameters that people and jobs can fill in",
        {
            "combobox": _c(
                "combobox(name: String, defaultValue: String, choices: Seq, label: String): void",
                "Defines free text that offers choices",
            ),
            "dropdown": _c(
                "dropdown(name: String, defaultValue: String, choices: Seq, label: String): void",
                "Defines a value that is one of its choices",
            ),
            "get": _c("get(name: String): String", "Returns the current value of a widget"),
            "getAll": _c("getAll: map", "Returns every widget's value by name"),
            "getArgument": _c(
                "getArgument(name: String, optional: String): String", "Deprecated: the value, or the fallback; use get"
            ),
            "multiselect": _c(
                "multiselect(name: String, defaultValue: String, choices: Seq, label: String): void",
                "Defines a value of any number of its choices",
            ),
            "remove": _c("remove(name: String): void", "Removes a widget"),
            "removeAll": _c("removeAll: void", "Removes every widget"),
            "text": _c("text(name: String, defaultValue: String, label: String): void", "Defines a value of free text"),
        },
    ),
}

_LISTED = tuple(name for name in sorted(MODULES) if name != "api" and "." not in name)


def overview() -> str:
    """What `dbutils.help()` prints."""
    lines = [f"{name}: {MODULES[name].class_name} -> {MODULES[name].description}" for name in _LISTED]
    return "\n".join(["What Databricks notebooks use to reach their surroundings, on this machine.", "", *lines])


def of_module(name: str) -> str:
    """What `dbutils.<name>.help()` prints."""
    module = MODULES[name]
    lines = [f"{module.description}.", ""]
    group = ""
    for command in module.commands.values():
        if command.group != group:
            group = command.group
            lines += [*([""] if lines[-1] else []), group]
        lines.append(f"{command.signature} -> {command.description}")
    return "\n".join(lines)


def of_command(name: str, command: str) -> str:
    """What `dbutils.<name>.help("command")` prints, upper and lower case being one; ValueError names what there is."""
    commands = {known.lower(): found for known, found in MODULES[name].commands.items()}
    if command.lower() not in commands:
        raise ValueError(
            f"dbutils.{name} has no command {command!r}; it has: {', '.join(MODULES[name].commands) or 'none'}"
        )
    found = commands[command.lower()]
    return f"{found.description}.\n\n{found.signature}"
