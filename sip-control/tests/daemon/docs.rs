//! The configurations in the manual are right, and the manual's index has every page.

use std::fs;
use std::path::{Path, PathBuf};

use super::support::{Authority, Directory, trunkline};

/// The top of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The file names in `docs/`, in order.
fn pages() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md"))
        .collect();
    names.sort();
    names
}

/// What stands between "```toml" and "```", for each such block.
fn toml_blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while lines.any(|line| line == "```toml") {
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push(block.join("\n") + "\n");
    }
    blocks
}

/// Writes every file that `table` names, with contents of its kind: chain, key or roots.
fn write_certificates(table: &toml::Table, directory: &Directory, authority: &Authority) {
    let (certificate, private) = authority.issue(&["edge.example.com"]);
    let chain = certificate + &authority.pem();
    let sections = table.values().flat_map(|value| match value {
        toml::Value::Array(sections) => sections.iter().collect(),
        section => vec![section],
    });
    for (key, value) in sections.filter_map(toml::Value::as_table).flatten() {
        let contents = match key.as_str() {
            "certificate" | "client_certificate" => &chain,
            "key" | "client_key" => &private,
            "ca" | "client_ca" => &authority.pem(),
            _ => continue,
        };
        let path = Path::new(value.as_str().unwrap());
        let written = directory.path(path.file_name().unwrap().to_str().unwrap());
        // A listener and a trunk may name one pair: both halves must be of one issue.
        fs::write(written, contents).unwrap();
    }
}

/// `trunkline check` takes it, and warns of nothing but interfaces that this host does not have.
fn check(name: &str, block: &str) {
    let directory = Directory::new();
    let authority = Authority::new();
    let table: toml::Table = block
        .parse()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    write_certificates(&table, &directory, &authority);
    directory.write("system.pem", &authority.pem());
    let path = directory.path("").display().to_string();
    let mut text = block.to_owned();
    for place in [
        "/etc/trunkline/",
        "/var/lib/trunkline/",
        "/var/log/trunkline/",
        "/run/trunkline/",
    ] {
        text = text.replace(place, &path);
    }
    assert!(!table.contains_key("tls"), "{name}: the roots stand here");
    text += &format!("[tls]\nca = \"{path}system.pem\"\n");
    let file = directory.write("trunkline.toml", &text);
    let (success, _, message) = trunkline(&["check", "--config"], &file);
    assert!(success, "{name}: {message}");
    for line in message.lines() {
        assert!(line.contains("there is no interface"), "{name}: {line}");
    }
}

#[test]
fn every_configuration_in_the_manual_is_right() {
    let mut names = vec!["README.md".to_owned()];
    names.extend(
        pages()
            .into_iter()
            .filter(|name| name.starts_with("connect-") || name == "registration.md")
            .map(|name| format!("docs/{name}")),
    );
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        let blocks = toml_blocks(&read(&root().join(&name)));
        assert!(!blocks.is_empty(), "{name} has no ```toml block");
        for (place, block) in blocks.iter().enumerate() {
            check(&format!("{name}, block {}", place + 1), block);
        }
    }
}

#[test]
fn the_manual_lists_every_page_and_the_readme_the_manual() {
    let index = read(&root().join("docs/README.md"));
    for page in pages().iter().filter(|page| *page != "README.md") {
        let link = format!("]({page})");
        assert!(index.contains(&link), "{page} is not in docs/README.md");
    }
    assert!(read(&root().join("README.md")).contains("](docs/README.md)"));
}

/// Whoever follows a link of the manual to a file of the repository finds it.
#[test]
fn links_in_the_manual_lead_to_files() {
    for page in pages() {
        let text = read(&root().join("docs").join(&page));
        let targets = text.split("](").skip(1);
        for target in targets.filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let exists = root().join("docs").join(file).exists();
            assert!(exists, "{page} links to {target}");
        }
    }
}
