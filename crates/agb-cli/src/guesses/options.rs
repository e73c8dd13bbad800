//! The options of other programs, and what does their work here.

/// What happens for an option of another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OptionAnswer {
    /// It has no effect, since the command works like this anyway.
    Omitted,
    /// This option replaces it, if the command has it.
    Becomes(&'static str),
    /// `json` as its value becomes --json, other values fail with this tip.
    Format(&'static str),
    /// It fails with this tip.
    Tip(&'static str),
}

use OptionAnswer::{Becomes, Format, Omitted, Tip};

struct ForeignOptions {
    /// The commands; empty for all.
    commands: &'static [&'static str],
    names: &'static [&'static str],
    answer: OptionAnswer,
}

const fn row(
    commands: &'static [&'static str],
    names: &'static [&'static str],
    answer: OptionAnswer,
) -> ForeignOptions {
    ForeignOptions {
        commands,
        names,
        answer,
    }
}

/// Returns the answer for an option of a command.
pub(super) fn answer(command: &str, name: &str) -> Option<OptionAnswer> {
    let mut rows = OPTIONS.iter();
    let found = rows.find(|row| {
        let is_for_command = row.commands.is_empty() || row.commands.contains(&command);
        is_for_command && row.names.contains(&name)
    });
    found.map(|row| row.answer)
}

const COPIES: &[&str] = &["get", "put", "cp", "mv"];
const SYNCS: &[&str] = &["sync", "diff"];
const ALL: &[&str] = &[];

/// The first row that matches applies.
const OPTIONS: &[ForeignOptions] = &[
    // rsync and cp.
    row(
        SYNCS,
        &[
            "-a",
            "--archive",
            "-r",
            "-R",
            "--recursive",
            "-t",
            "--times",
            "-z",
            "--compress",
            "-P",
        ],
        Omitted,
    ),
    row(&["get", "put", "cp"], &["-a", "--archive"], Becomes("-r")),
    row(
        COPIES,
        &["-P"],
        Tip(
            "omit it: progress is shown on a terminal, and --links selects what happens to symbolic links",
        ),
    ),
    row(
        COPIES,
        &[
            "-i",
            "--interactive",
            "--ignore-existing",
            "--skip-existing",
        ],
        Tip("omit it: an existing file stays unless --force is passed"),
    ),
    row(
        COPIES,
        &["-u", "--update"],
        Tip("copy only files that changed with 'agb sync DIR NAME:/folder'"),
    ),
    row(COPIES, &["--overwrite", "--replace"], Becomes("--force")),
    row(
        &["sync"],
        &["--delete-after", "--delete-before", "--delete-during"],
        Becomes("--delete"),
    ),
    row(
        &["sync"],
        &["--bidirectional", "--two-way"],
        Becomes("--both"),
    ),
    row(
        &["rm"],
        &["-i", "-I", "--interactive"],
        Tip("omit it: rm -r asks on a terminal"),
    ),
    row(
        ALL,
        &["--progress", "--show-progress", "--partial", "--stats"],
        Omitted,
    ),
    row(ALL, &["--no-progress", "--silent"], Becomes("--quiet")),
    row(ALL, &["--dryrun", "--dry"], Becomes("--dry-run")),
    row(
        ALL,
        &["--assume-yes", "--no-confirm", "--no-prompt"],
        Becomes("--yes"),
    ),
    row(
        ALL,
        &[
            "--transfers",
            "--checkers",
            "--concurrency",
            "--parallel",
            "--threads",
            "-j",
        ],
        Becomes("--jobs"),
    ),
    row(
        ALL,
        &["--limit-rate", "--bandwidth", "--bw-limit"],
        Becomes("--bwlimit"),
    ),
    // ls, find, du and tree.
    row(&["ls"], &["--all", "-A", "--almost-all"], Omitted),
    row(
        &["tree"],
        &["--all", "-a", "-r", "-R", "--recursive"],
        Omitted,
    ),
    row(
        &["tree"],
        &["--level", "--max-depth", "--maxdepth"],
        Becomes("-L"),
    ),
    row(
        &["ls"],
        &["--tree"],
        Tip("show a tree with 'agb tree NAME:/folder'"),
    ),
    row(
        &["ls"],
        &["-d", "--directory"],
        Tip("show a folder with 'agb stat NAME:/folder'"),
    ),
    row(&["ls", "du"], &["--human-readable"], Becomes("--human")),
    row(
        &["du"],
        &["-d", "--max-depth", "--depth"],
        Tip("show the total of each entry with: agb du -s 'NAME:/*'"),
    ),
    row(
        &["du"],
        &["-a", "--all"],
        Tip("show the sizes of files with 'agb ls -R -l NAME:/folder'"),
    ),
    row(
        &["ls", "find", "context list"],
        &[
            "-L",
            "--max-keys",
            "--max-items",
            "--max-results",
            "--page-size",
        ],
        Becomes("--limit"),
    ),
    row(
        &["find"],
        &["--mtime", "--mmin", "--ctime", "--newermt"],
        Tip("pass --newer 7d or --older 7d"),
    ),
    row(
        &["find"],
        &["--iname"],
        Tip("match both cases with --name '*.[mM][dD]'"),
    ),
    row(
        &["find"],
        &["--maxdepth", "--max-depth", "--depth", "--mindepth"],
        Tip(
            "list one folder with 'agb ls NAME:/folder', or N levels with 'agb tree -L N NAME:/folder'",
        ),
    ),
    row(
        &["find"],
        &["--path", "--wholename", "--regex"],
        Tip("match whole paths with: agb ls 'NAME:/logs/**/*.gz'"),
    ),
    row(&["find"], &["--print", "-r", "-R", "--recursive"], Omitted),
    row(
        &["find"],
        &["--delete", "--exec"],
        Tip("pipe the addresses: agb find NAME:/folder | xargs -d '\\n' agb rm"),
    ),
    // kubectl, gh, aws and curl.
    row(
        &["get", "cat", "open"],
        &["-o", "-O", "--output", "--output-document", "--out"],
        Tip("name the local file at the end: agb get NAME:/file FILE"),
    ),
    row(
        ALL,
        &["-o", "--output", "--format"],
        Format("print JSON with --json"),
    ),
    row(
        ALL,
        &["--jq", "--query", "--template"],
        Tip("pipe the JSON into jq: --json | jq"),
    ),
    row(&["login"], &["--with-token"], Becomes("--api-key-stdin")),
    row(
        ALL,
        &["--token", "--api-key", "--apikey", "--password", "--secret"],
        Tip("store the key with 'agb login', set AGB_API_KEY, or pass --api-key-stdin"),
    ),
    row(
        &["serve"],
        &["--port", "-p"],
        Tip("pass --listen 127.0.0.1:PORT"),
    ),
    row(
        &["serve"],
        &["--host", "--bind", "--addr", "--address"],
        Tip("pass --listen ADDRESS:PORT"),
    ),
    row(&["serve"], &["--dir", "--data"], Becomes("--data-dir")),
    row(
        &["serve"],
        &["-d", "--detach", "--daemon"],
        Tip("run 'agb serve' by the service manager of the system"),
    ),
    row(
        ALL,
        &["--endpoint-url", "--api-url", "--server"],
        Becomes("--endpoint"),
    ),
    row(ALL, &["--host", "--port"], Tip("pass --endpoint URL")),
    row(
        ALL,
        &["--expires-in", "--expire", "--ttl"],
        Becomes("--expires"),
    ),
    row(
        ALL,
        &["--timeout", "--connect-timeout"],
        Becomes("--call-timeout"),
    ),
    row(
        ALL,
        &[
            "-k",
            "--no-check-certificate",
            "--no-verify-ssl",
            "--insecure-skip-tls-verify",
        ],
        Tip(
            "trust a certificate with --ca-file FILE; --insecure verifies none of a loopback address",
        ),
    ),
    row(
        ALL,
        &["--cacert", "--ca-bundle", "--certificate-authority"],
        Becomes("--ca-file"),
    ),
    row(ALL, &["--cert"], Becomes("--client-cert")),
    row(ALL, &["--debug", "--trace"], Becomes("-vv")),
];
