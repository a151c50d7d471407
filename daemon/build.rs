//! Makes one table of the built page's files, for `http::page` to answer from.
//!
//! No crate does this: of those that embed a folder, none keeps a file's compressed forms beside it.
#![expect(
    clippy::disallowed_methods,
    reason = "a build script hears cargo by variables"
)]

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let daemon = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dashboard = daemon.join("../dashboard").canonicalize()?;
    let (built, addresses) = (dashboard.join("dist"), dashboard.join("addresses.json"));
    for watched in [&built, &addresses] {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    let page = built.join("page");
    let mut files = BTreeSet::new();
    if page.is_dir() {
        collect(&page, &mut files)?;
    } else if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::warning=stockd is built without its page: run `make page` first");
    }

    // Copied, so that building the page anew pulls nothing from under the compiler.
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let copies = out.join("files");
    let _ = fs::remove_dir_all(&copies);
    fs::create_dir_all(&copies)?;

    let mut table = format!(
        "static ADDRESSES: &[&str] = &{};\nstatic FILES: &[PageFile] = &[\n",
        fs::read_to_string(addresses)?.trim()
    );
    for file in &files {
        if file
            .extension()
            .is_some_and(|end| ["br", "gz"].iter().any(|form| end == *form))
        {
            continue;
        }
        let path = file.strip_prefix(&page).unwrap_or(file).to_string_lossy();
        let mut hasher = DefaultHasher::new();
        fs::read(file)?.hash(&mut hasher);
        let hash = hasher.finish();
        let [brotli, gzip] = ["br", "gz"].map(|form| {
            let compressed = PathBuf::from(format!("{}.{form}", file.display()));
            let is_there = files.contains(&compressed);
            is_there.then(|| (compressed, format!("{hash:016x}.{form}")))
        });
        let plain = format!("{hash:016x}");
        fs::copy(file, copies.join(&plain))?;
        let option = |form: Option<(PathBuf, String)>| {
            form.map_or(Ok("None".to_owned()), |(from, name)| {
                fs::copy(from, copies.join(&name))?;
                Ok::<_, io::Error>(format!("Some({})", included(&copies, &name)))
            })
        };
        let _ = writeln!(
            table,
            "PageFile {{ path: {:?}, kind: {:?}, hash: {plain:?}, plain: {}, brotli: {}, gzip: {} }},",
            format!("/{path}"),
            kind(file),
            included(&copies, &plain),
            option(brotli)?,
            option(gzip)?,
        );
    }
    table.push_str("];\n");
    fs::write(out.join("page.rs"), table)
}

fn included(copies: &Path, name: &str) -> String {
    let path = copies.join(name).display().to_string();
    format!("include_bytes!({path:?})")
}

fn collect(folder: &Path, files: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.insert(path);
        }
    }
    Ok(())
}

/// The media type, by the name's end.
fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|end| end.to_str()) {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}
