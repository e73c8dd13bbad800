//! Comparisons with git.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use fastrand::Rng;

use super::*;

/// Number of random repositories. Each starts a few processes.
const REPOSITORIES: u64 = 120;

const NAMES: &[&str] = &[
    "a", "b", "ab", "A", "foo", "Foo", "foo.log", "x.log", ".env", "{a,b}", "a b", "b ", "#c",
    "!d", "[g]", "h]", "target", "日本", "-", "a.b.c", "e\\f",
];

const PIECES: &[&str] = &[
    "*",
    "**",
    "?",
    "[ab]",
    "[!a]",
    "[^b]",
    "[[:alpha:]]",
    "[[:digit:]x]",
    "[a-f]",
    "[]h]",
    "[",
    "[a",
    "{a,b}",
    "\\ ",
    "\\#",
    "\\!",
    "\\[",
    "\\",
    " ",
    ".",
    "/",
    "a",
    "b",
    "o",
    "foo",
    ".log",
    "***",
    "/**",
    "**/",
    "/**/",
];

struct Fixture {
    scratch: tempfile::TempDir,
    environment: GitEnvironment,
}

impl Fixture {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let home = scratch.path().join("home");
        std::fs::create_dir_all(home.join(".config/git")).unwrap();
        let environment = GitEnvironment {
            home: Some(home),
            ..GitEnvironment::default()
        };
        Self {
            scratch,
            environment,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.scratch.path().join(path)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        // Fails if a file and a folder have the same path.
        let _ = std::fs::create_dir_all(path.parent().unwrap());
        let _ = std::fs::write(path, content);
    }

    fn git(&self, folder: &str) -> Command {
        let mut git = Command::new("git");
        git.current_dir(self.path(folder))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1");
        git
    }

    fn init(&self, folder: &str) {
        std::fs::create_dir_all(self.path(folder)).unwrap();
        let status = self.git(folder).args(["init", "-q"]).status();
        assert!(status.unwrap().success());
    }

    /// Returns the paths that git ignores in the repository of a folder.
    fn ignored(&self, folder: &str, paths: &[String]) -> Vec<String> {
        let mut git = self
            .git(folder)
            .args(["check-ignore", "--no-index", "--stdin", "-z"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = git.stdin.take().unwrap();
        let input = paths.join("\0") + "\0";
        let writes = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = git.wait_with_output().unwrap();
        writes.join().unwrap().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
        let ignored = String::from_utf8(output.stdout).unwrap();
        ignored.split_terminator('\0').map(str::to_owned).collect()
    }

    fn ignores(&self, folder: &str) -> IgnoreRules {
        IgnoreRules::with(&self.path(folder), self.environment.clone())
    }
}

fn has_git() -> bool {
    let version = Command::new("git").arg("--version").output();
    let there = version.is_ok_and(|output| output.status.success());
    if !there {
        let _ = writeln!(
            std::io::stderr(),
            "\nSKIPPED: git is not installed, so the rules were not compared with it"
        );
    }
    there
}

fn any<'a>(random: &mut Rng, of: &[&'a str]) -> &'a str {
    of[random.usize(..of.len())]
}

fn path(random: &mut Rng) -> String {
    let depth = random.usize(1..5);
    let names: Vec<_> = (0..depth).map(|_| any(random, NAMES)).collect();
    names.join("/")
}

fn pattern(random: &mut Rng) -> String {
    let mut pattern = String::new();
    for (likely, prefix) in [(0.25, "!"), (0.3, "/")] {
        if random.f64_of() < likely {
            pattern += prefix;
        }
    }
    match random.usize(..6) {
        0 | 1 => pattern += any(random, NAMES),
        2 => pattern += &path(random),
        _ => {
            for _ in 0..random.usize(1..5) {
                let pieces = [NAMES, PIECES][random.usize(..2)];
                pattern += any(random, pieces);
            }
        }
    }
    for (likely, suffix) in [(0.3, "/"), (0.1, " "), (0.05, "\\ "), (0.05, "\t")] {
        if random.f64_of() < likely {
            pattern += suffix;
        }
    }
    pattern
}

fn rules(random: &mut Rng) -> String {
    let mut text = String::new();
    if random.u8(..8) == 0 {
        text.push('\u{feff}');
    }
    let end = ["\n", "\r\n"][random.usize(..5) / 4];
    for _ in 0..random.usize(1..6) {
        if random.u8(..8) == 0 {
            text += "# ";
        }
        text += &pattern(random);
        text += end;
    }
    if random.bool() {
        text.truncate(text.trim_end_matches('\n').len());
    }
    text
}

trait RandomShare {
    fn f64_of(&mut self) -> f64;
}

impl RandomShare for Rng {
    /// Returns a number from 0 to 1.
    fn f64_of(&mut self) -> f64 {
        f64::from(self.u32(..1000)) / 1000.0
    }
}

/// Creates nested repositories with rules at every level. Returns existing and other paths.
fn fill(fixture: &Fixture, random: &mut Rng) -> Vec<(String, bool)> {
    fixture.init("repo");
    fixture.init("repo/nested");
    for _ in 0..30 {
        fixture.write(&format!("repo/{}", path(random)), "x");
        fixture.write(&format!("repo/nested/{}", path(random)), "x");
    }
    for _ in 0..random.usize(1..5) {
        let folder = match random.usize(..4) {
            0 => String::new(),
            1 => "nested/".to_owned(),
            _ => path(random) + "/",
        };
        if fixture.path(&format!("repo/{folder}")).is_dir() {
            fixture.write(&format!("repo/{folder}.gitignore"), rules(random));
        }
    }
    for place in [
        "repo/.git/info/exclude",
        "repo/nested/.git/info/exclude",
        "home/.config/git/ignore",
    ] {
        if random.u8(..3) == 0 {
            fixture.write(place, rules(random));
        }
    }
    for folder in ["repo", "repo/nested"] {
        if random.u8(..4) == 0 {
            fixture
                .git(folder)
                .args(["config", "core.ignoreCase", "true"])
                .status()
                .unwrap();
        }
    }
    let mut paths = Vec::new();
    let mut folders = vec![fixture.path("repo")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() == GIT {
                continue;
            }
            let is_folder = entry.file_type().unwrap().is_dir();
            let path = entry.path();
            let relative = path.strip_prefix(fixture.path("repo")).unwrap();
            paths.push((relative.to_str().unwrap().to_owned(), is_folder));
            if is_folder {
                folders.push(path);
            }
        }
    }
    for _ in 0..20 {
        let path = path(random);
        if fixture
            .path(&format!("repo/{path}"))
            .symlink_metadata()
            .is_err()
        {
            paths.push((path, false));
        }
    }
    paths
}

#[test]
fn the_same_paths_are_ignored_as_by_git() {
    if !has_git() {
        return;
    }
    let mut ignored_in_all = 0;
    for seed in 0..REPOSITORIES {
        let mut random = Rng::with_seed(seed);
        let fixture = Fixture::new();
        let paths = fill(&fixture, &mut random);
        let names: Vec<String> = paths.iter().map(|(path, _)| path.clone()).collect();
        let of_repo = fixture.ignored("repo", &names);
        let in_nested: Vec<String> = names
            .iter()
            .filter_map(|path| Some(path.strip_prefix("nested/")?.to_owned()))
            .collect();
        let of_nested = fixture.ignored("repo/nested", &in_nested);
        // Once for the repository, and once for each of its folders.
        let folders = paths.iter().filter(|(_, is_folder)| *is_folder);
        let mut roots = vec![""];
        roots.extend(folders.map(|(path, _)| path.as_str()).take(8));
        for root in roots {
            let ignores = fixture.ignores(&format!("repo/{root}"));
            for (path, is_folder) in &paths {
                let Ok(below) = Path::new(path).strip_prefix(root) else {
                    continue;
                };
                if below.as_os_str().is_empty() {
                    continue;
                }
                let nested = path.strip_prefix("nested/");
                let inner = nested.is_some_and(|path| of_nested.iter().any(|it| it == path));
                // The rules of the outer repository do not apply in a nested one that is synced by itself.
                let outer = of_repo.contains(path) && !format!("{root}/").starts_with("nested/");
                assert_eq!(
                    ignores.ignores(below, *is_folder),
                    inner || outer,
                    "{path:?} below {root:?} with seed {seed}"
                );
                ignored_in_all += usize::from(inner || outer);
            }
        }
    }
    assert!(ignored_in_all > 1000, "{ignored_in_all}");
}

#[test]
fn the_rules_of_worktrees_are_found() {
    if !has_git() {
        return;
    }
    let fixture = Fixture::new();
    fixture.init("repo");
    for (name, value) in [("user.name", "n"), ("user.email", "e")] {
        let set = fixture.git("repo").args(["config", name, value]).status();
        assert!(set.unwrap().success());
    }
    for arguments in [
        &["commit", "-q", "--allow-empty", "-m", "first"][..],
        &["worktree", "add", "-q", "../tree"],
    ] {
        let done = fixture.git("repo").args(arguments).status().unwrap();
        assert!(done.success());
    }
    fixture.write("repo/.git/info/exclude", "*.mine\n");
    fixture.write("excludes", "*.global\n");
    fixture.write("repo/.git/more", "[core]\nexcludesFile = ../excludes\n");
    let include = ["config", "include.path", "more"];
    let set = fixture.git("repo").args(include).status().unwrap();
    assert!(set.success());
    fixture.write("tree/deep/.gitignore", "!kept.mine\n");
    fixture.write("tree/.gitignore", "sub.*\n");
    let paths = [
        "a.mine",
        "deep/a.mine",
        "deep/kept.mine",
        "deep/sub.x",
        "deep/a.global",
        "x",
    ];
    let paths = paths.map(str::to_owned);
    let ignored = fixture.ignored("tree", &paths);
    assert_eq!(
        ignored,
        ["a.mine", "deep/a.mine", "deep/sub.x", "deep/a.global"]
    );
    for root in ["", "deep"] {
        let ignores = fixture.ignores(&format!("tree/{root}"));
        for path in &paths {
            if let Ok(below) = Path::new(path).strip_prefix(root) {
                assert_eq!(
                    ignores.ignores(below, false),
                    ignored.contains(path),
                    "{path}"
                );
            }
        }
    }
}

#[test]
fn a_dot_ignore_file_takes_precedence() {
    let fixture = Fixture::new();
    fixture.write(".ignore", "*.above\n");
    fixture.write("root/.gitignore", "*.log\n/build/\n");
    fixture.write("root/.ignore", "*.secret\n!kept.log\n");
    fixture.write("root/deep/.gitignore", "!*.secret\n");
    let ignores = fixture.ignores("root");
    for (path, ignored) in [
        ("a.log", true),
        ("kept.log", false),
        ("deep/a.secret", true),
        ("a.above", false),
        ("build/kept.log", true),
        ("build", false),
        (".git/config", true),
        ("sub/.git", true),
        ("none/b.txt", false),
    ] {
        assert_eq!(ignores.ignores(Path::new(path), false), ignored, "{path}");
    }
}

#[test]
fn unreadable_rules_are_reported() {
    let fixture = Fixture::new();
    fixture.write("root/.gitignore", "a");
    fixture.write("root/.ignore/is-a-folder", "");
    assert!(unreadable_rules(&fixture.path("root")).is_none());
    #[cfg(unix)]
    for name in [".ignore", ".gitignore", ".git/info/exclude"] {
        let fixture = Fixture::new();
        fixture.write("root/.git/info/other", "");
        let odd = fixture.path("root").join(name);
        let _listener = std::os::unix::net::UnixListener::bind(&odd).unwrap();
        let (file, error) = unreadable_rules(&fixture.path("root")).unwrap();
        assert_eq!(file, odd);
        assert_eq!(error.kind(), ErrorKind::LocalFile);
        assert!(!fixture.ignores("root").ignores(Path::new("a"), false));
    }
    #[cfg(unix)]
    {
        let fixture = Fixture::new();
        fixture.write("repo/.git/HEAD", "");
        fixture.write("repo/.git/objects/x", "");
        fixture.write("repo/deep/a", "");
        let odd = fixture.path("repo/.gitignore");
        let _listener = std::os::unix::net::UnixListener::bind(&odd).unwrap();
        let (file, _) = fixture.ignores("repo/deep").unreadable_above().unwrap();
        assert!(file.ends_with("repo/.gitignore"), "{file:?}");
        assert!(fixture.ignores("repo").unreadable_above().is_none());
    }
}
