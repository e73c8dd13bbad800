//! The commands of other programs, and what does their work here.

/// What happens for a command of another program.
#[derive(Debug, Clone, Copy)]
pub(super) enum CommandAnswer {
    /// These words replace it.
    Runs(&'static [&'static str]),
    /// It fails with this tip.
    Tip(&'static str),
}

use CommandAnswer::{Runs, Tip};

/// Names below one command, and their answer.
pub(super) struct ForeignCommands {
    pub(super) names: &'static [&'static str],
    pub(super) answer: CommandAnswer,
}

const fn row(names: &'static [&'static str], answer: CommandAnswer) -> ForeignCommands {
    ForeignCommands { names, answer }
}

/// Returns the answer for a name below a command, whose path is empty for the program itself.
pub(super) fn answer(command: &str, name: &str) -> Option<CommandAnswer> {
    let table: &[ForeignCommands] = match command {
        "" | "help" => ROOT,
        "context" => CONTEXT,
        "config" => CONFIG,
        "transfers" => TRANSFERS,
        "url" if name.contains(":/") => return Some(Runs(&["get"])),
        "url" => URL,
        "serve" => SERVE,
        "serve keys" => KEYS,
        _ => return None,
    };
    let name = name.to_ascii_lowercase();
    let found = table.iter().find(|row| row.names.contains(&&*name));
    // The name itself follows the words that replace it.
    found.map(|row| row.answer)
}

const ROOT: &[ForeignCommands] = &[
    row(
        &["presign", "signurl", "link", "publiclink", "share"],
        Runs(&["url", "get"]),
    ),
    row(&["version"], Runs(&["--version"])),
    row(&["whoami"], Runs(&["doctor"])),
    row(&["size"], Runs(&["du", "-s"])),
    row(&["ncdu"], Runs(&["du"])),
    row(&["lsd", "lsf"], Runs(&["ls"])),
    row(&["ll", "lsl"], Runs(&["ls", "-l"])),
    row(&["lsjson"], Runs(&["ls", "--json"])),
    row(&["copyto", "scp"], Runs(&["cp"])),
    row(&["moveto"], Runs(&["mv"])),
    row(&["deletefile", "unlink"], Runs(&["rm"])),
    row(&["vi", "vim", "nano"], Runs(&["edit"])),
    row(&["configure", "signin", "sign-in"], Runs(&["login"])),
    row(&["signout", "sign-out"], Runs(&["logout"])),
    row(&["profile", "profiles"], Runs(&["config", "profiles"])),
    row(&["settings"], Runs(&["config", "list"])),
    row(&["completions", "autocomplete"], Runs(&["completion"])),
    row(&["manual", "docs"], Runs(&["man"])),
    row(
        &["mb", "mkbucket"],
        Tip("create a context with 'agb context create NAME'"),
    ),
    row(
        &["rb", "rmbucket"],
        Tip("delete a context and its files with 'agb context delete NAME'"),
    ),
    row(
        &["purge", "rmdir", "rmdirs", "empty"],
        Tip(
            "delete a folder with 'agb rm -r NAME:/folder', or all files with 'agb context clear NAME'",
        ),
    ),
    row(
        &["clear"],
        Tip("delete all files of a context with 'agb context clear NAME'"),
    ),
    row(
        &["wait"],
        Tip("wait for a clear with 'agb context wait NAME'"),
    ),
    row(
        &["snapshot", "backup", "export", "archive"],
        Tip(
            "save a context in a tar file with 'agb context snapshot NAME', or back up a service with 'agb serve backup'",
        ),
    ),
    row(
        &["restore", "import"],
        Tip(
            "upload a tar file with 'agb context restore FILE NAME', or restore a service with 'agb serve restore'",
        ),
    ),
    row(
        &["touch"],
        Tip("create an empty file with 'agb put /dev/null NAME:/file'"),
    ),
    row(
        &[
            "head", "tail", "less", "more", "grep", "wc", "sort", "jq", "tar",
        ],
        Tip("pipe the file into it: agb cat NAME:/file | {name}"),
    ),
    row(
        &["rcat", "tee", "pipe"],
        Tip("upload stdin with 'agb put - NAME:/file'"),
    ),
    row(
        &["copyurl"],
        Tip("pipe the download: curl URL | agb put - NAME:/file"),
    ),
    row(
        &["bisync"],
        Tip("sync in both directions with 'agb sync --both DIR NAME:/folder'"),
    ),
    row(
        &["rsync", "mirror"],
        Tip("mirror a folder with 'agb sync DIR NAME:/folder'"),
    ),
    row(
        &["watch"],
        Tip("sync whenever a file changes with 'agb sync --watch DIR NAME:/folder'"),
    ),
    row(
        &["mount"],
        Tip(
            "contexts can't be mounted: sync a folder with 'agb sync --both --watch DIR NAME:/folder'",
        ),
    ),
    row(
        &["clone", "checkout", "fetch"],
        Tip("download a context with 'agb get -r NAME:/ DIR'"),
    ),
    row(
        &["add", "commit"],
        Tip("upload files with 'agb put FILE NAME:/'"),
    ),
    row(
        &["check", "compare", "cmp", "verify"],
        Tip(
            "compare folders with 'agb diff', or check the settings and the service with 'agb doctor'",
        ),
    ),
    row(
        &["status", "ping", "test", "health"],
        Tip("check the settings and the service with 'agb doctor'"),
    ),
    row(
        &["about", "quota", "usage", "df"],
        Tip("show the size of a context with 'agb du -s NAME'"),
    ),
    row(
        &["auth", "token"],
        Tip(
            "store an API key with 'agb login', remove it with 'agb logout', check it with 'agb doctor'",
        ),
    ),
    row(
        &["s3", "s3api"],
        Tip("omit '{name}': the commands are ls, cp, mv, rm and sync"),
    ),
    row(
        &["upgrade", "update", "self", "selfupdate", "self-update"],
        Tip("install a new version in the way this one was installed"),
    ),
    row(
        &["key", "keys"],
        Tip("manage the keys of a service with 'agb serve keys'"),
    ),
    row(
        &["use", "switch", "select", "cd"],
        Tip("name the context in each address: agb ls NAME:/"),
    ),
    row(
        &["server", "start", "run", "up", "daemon"],
        Tip("run a local service with 'agb serve'"),
    ),
    row(
        &["stop", "down"],
        Tip("stop 'agb serve' with Ctrl-C or SIGTERM"),
    ),
    row(
        &["resume", "jobs", "cleanup"],
        Tip("list interrupted downloads with 'agb transfers list': the same command continues one"),
    ),
    row(
        &["exists"],
        Tip("run 'agb stat NAME:/file', which exits with 3 if the file is missing"),
    ),
];

const CONTEXT: &[ForeignCommands] = &[
    row(&["make", "mk", "init"], Runs(&["create"])),
    row(&["destroy", "drop"], Runs(&["delete"])),
    row(&["empty", "purge", "wipe"], Runs(&["clear"])),
    row(&["export", "backup", "save", "dump"], Runs(&["snapshot"])),
    row(&["import", "load"], Runs(&["restore"])),
    row(&["view", "inspect", "status"], Runs(&["get"])),
    row(
        &[
            "use",
            "switch",
            "select",
            "set",
            "current",
            "current-context",
            "use-context",
        ],
        Tip("name the context in each address: agb ls NAME:/"),
    ),
    row(
        &["size", "du", "usage"],
        Tip("show the size with 'agb du -s NAME'"),
    ),
    row(
        &["find", "search"],
        Tip("filter the list with 'agb context list --filter GLOB'"),
    ),
    row(
        &["edit", "update"],
        Tip("rename a context with 'agb context rename NAME NEW'"),
    ),
];

const CONFIG: &[ForeignCommands] = &[
    row(&["show", "view", "dump", "print"], Runs(&["list"])),
    row(&["put"], Runs(&["set"])),
    row(&["remove", "rm", "delete", "del"], Runs(&["unset"])),
    row(&["file", "where", "paths"], Runs(&["path"])),
    row(
        &["edit"],
        Tip("open the file in an editor: $EDITOR \"$(agb config path)\""),
    ),
    row(
        &["create", "init", "new", "add"],
        Tip("create a profile with 'agb login --profile NAME'"),
    ),
    row(
        &[
            "use",
            "use-context",
            "use-profile",
            "switch",
            "select",
            "current-context",
        ],
        Tip("choose a profile with --profile NAME or AGB_PROFILE=NAME"),
    ),
];

const TRANSFERS: &[ForeignCommands] = &[
    row(
        &["rm", "remove", "delete", "del", "prune", "clear"],
        Runs(&["clean"]),
    ),
    row(&["show", "status", "get"], Runs(&["list"])),
    row(
        &["resume", "continue", "retry", "restart", "start"],
        Tip("run the command of the download again: it continues"),
    ),
    row(
        &["stop", "cancel", "abort", "kill"],
        Tip("stop a running download with Ctrl-C"),
    ),
];

const URL: &[ForeignCommands] = &[
    row(
        &["share", "presign", "sign", "create", "show", "download"],
        Runs(&["get"]),
    ),
    row(&["upload"], Runs(&["put"])),
];

const SERVE: &[ForeignCommands] = &[
    row(&["start", "run", "up"], Runs(&[])),
    row(
        &["stop", "kill", "down", "shutdown", "quit"],
        Tip("stop the service with Ctrl-C or SIGTERM"),
    ),
    row(
        &["restart", "reload"],
        Tip("stop the service with Ctrl-C or SIGTERM, then start it again"),
    ),
    row(
        &["status", "health", "ping"],
        Tip("check a service with 'agb doctor --endpoint URL'"),
    ),
    row(
        &["key", "token", "tokens"],
        Tip("manage the keys with 'agb serve keys'"),
    ),
    row(
        &["check", "verify", "repair", "scrub"],
        Tip("check a store with 'agb serve fsck'"),
    ),
    row(
        &["export", "dump", "snapshot"],
        Tip("copy a store to an archive with 'agb serve backup'"),
    ),
    row(
        &["import", "load"],
        Tip("copy an archive to a new store with 'agb serve restore'"),
    ),
    row(
        &["copy", "cp", "convert"],
        Tip("copy a store to a new one with 'agb serve migrate'"),
    ),
];

const KEYS: &[ForeignCommands] = &[
    row(&["create", "new", "generate"], Runs(&["add"])),
    row(&["ls", "show"], Runs(&["list"])),
    row(
        &["rm", "remove", "delete", "del"],
        Tip("end the validity of a key with 'agb serve keys revoke'"),
    ),
];
