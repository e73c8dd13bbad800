//! Completion in real shells, where they are installed, and the manual.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use super::{interactive::Terminal, support::wait, test_env::TestEnv};

/// Lets a shell complete a line. Returns the line.
fn complete(env: &TestEnv, shell: &str, typed: &str) -> String {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_agb"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", binary.parent().unwrap().display());
    let script = env.path(&format!("completion.{shell}"));
    fs::write(&script, env.print(&["completion", shell])).unwrap();
    let line = env.path("line");
    let _ = fs::remove_file(&line);
    let (arguments, setup): (&[&str], String) = match shell {
        "bash" => (
            &["--norc", "--noprofile", "-i"],
            format!(
                "PS1='ready> '; bind 'set bell-style none'; . {script}; bind -x '\"\\C-g\": printf %s \"[$READLINE_LINE]\" > {line}; exit'",
                script = script.display(),
                line = line.display()
            ),
        ),
        "zsh" => (
            &["-f", "-i"],
            format!(
                "PS1='ready> '; unsetopt beep; autoload -U compinit; compinit -u -D; . {script}; show() {{ printf %s \"[$BUFFER]\" > {line}; exit }}; zle -N show; bindkey '^G' show",
                script = script.display(),
                line = line.display()
            ),
        ),
        _ => (
            &["--no-config", "-i"],
            format!(
                "function fish_prompt; echo -n 'ready> '; end; source {script}; bind \\cg 'printf %s \"[\"(commandline)\"]\" > {line}; exit'",
                script = script.display(),
                line = line.display()
            ),
        ),
    };
    let mut command = env.command(&[]);
    let environment: Vec<_> = command
        .get_envs()
        .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
        .collect();
    // fish requires a controlling terminal.
    command = Command::new("setsid");
    command.args(["--ctty", shell]);
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .args(arguments)
        .current_dir(env.scratch.path())
        .env("HOME", env.scratch.path())
        .env("PATH", path);
    let mut terminal = Terminal::start(command, 200);
    wait(300);
    terminal.send(&format!("{setup}\n"));
    terminal.expect("\nready> ".trim_start_matches('\n'));
    wait(500);
    terminal.send(typed);
    terminal.send("\t");
    for _ in 0..100 {
        wait(100);
        terminal.send("\u{7}");
        if let Ok(text) = fs::read_to_string(&line)
            && text.ends_with(']')
        {
            let _ = terminal.child.kill();
            let _ = terminal.child.wait();
            return text.trim_matches(['[', ']']).to_owned();
        }
    }
    panic!("{shell} does not respond: {:?}", terminal.end());
}

fn is_installed(shell: &str) -> bool {
    let started = Command::new(shell).args(["-c", "exit"]).status();
    started.is_ok_and(|status| status.success())
}

#[test]
fn shells_complete_without_a_space_after_folders() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&["put", "project/a.txt", "one:/docs/a.txt"]);
    fs::create_dir_all(env.path("config/agb")).unwrap();
    let config = env.path("config/agb/config.toml");
    fs::write(&config, "[staging]\n").unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
    for shell in ["bash", "zsh", "fish"]
        .into_iter()
        .filter(|shell| is_installed(shell))
    {
        for (typed, expected) in [
            ("agb ls on", "agb ls one:/"),
            ("agb ls one:/do", "agb ls one:/docs/"),
            ("agb cat one:/docs/", "agb cat one:/docs/a.txt "),
            ("agb doctor --profile st", "agb doctor --profile staging "),
            ("agb docto", "agb doctor "),
        ] {
            assert_eq!(complete(&env, shell, typed), expected, "{shell}");
        }
    }
}

#[test]
fn manual_pages_are_found_by_manpath() {
    let env = TestEnv::new();
    assert!(env.run(&["man", "pages"]).status.success());
    assert!(env.path("pages/man1/agb.1").exists());
    assert!(env.path("pages/man1/agb-config-list.1").exists());
    assert!(env.run(&["man", "other/man1"]).status.success());
    assert!(env.path("other/man1/agb.1").exists());
    if !is_installed("man") {
        return;
    }
    let found = Command::new("man")
        .args(["-w", "agb-sync"])
        .env("MANPATH", env.path("pages"))
        .output()
        .unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert!(
        found.trim_end().ends_with("pages/man1/agb-sync.1"),
        "{found}"
    );
}
