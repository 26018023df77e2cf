//! The shared test corpora, which lie beside the repository and are never part of it: where they are, what
//! is in them, small damage to do to it, and how long that takes.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The folder of the corpora: `PATCHCORD_SHARED`, or `../shared` beside the repository or above it.
pub fn dir() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("PATCHCORD_SHARED") {
        return Some(PathBuf::from(path)).filter(|p| p.is_dir());
    }
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1).take(2);
    above.map(|folder| folder.join("shared")).find(|p| p.is_dir())
}

/// How long the quickest of three runs takes: a machine that stands still for a while makes one of them slow.
pub fn quickest(run: impl Fn()) -> Duration {
    let timed = || {
        let begun = Instant::now();
        run();
        begun.elapsed()
    };
    timed().min(timed()).min(timed())
}

/// All files below the folder `sub` of the corpora (or the one file of that name), with their names
/// relative to it, in order. Empty, with a word of it, if the corpora are not there; a panic if they should
/// be.
pub fn files(sub: &str) -> Vec<(String, Vec<u8>)> {
    let Some(folder) = dir().map(|d| d.join(sub)).filter(|p| p.exists()) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "the corpus {sub} is missing");
        println!("skipped: the corpus {sub} is not there");
        return Vec::new();
    };
    let mut found = Vec::new();
    collect(&folder, &folder, &mut found);
    found.sort();
    found
}

fn collect(root: &Path, path: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder of the corpora") {
            collect(root, &entry.expect("an entry").path(), found);
        }
        return;
    }
    let name = path.strip_prefix(root).ok().filter(|n| !n.as_os_str().is_empty());
    let name = name.map_or_else(|| path.file_name().expect("a name").into(), Path::to_path_buf);
    found.push((name.to_string_lossy().into_owned(), fs::read(path).expect("a file of the corpora")));
}

/// `n` damaged copies of `bytes`, the same ones for the same seed: bits turned, bytes replaced by
/// delimiters, pieces cut out, doubled or moved.
pub fn mutations(seed: u64, bytes: &[u8], n: usize) -> impl Iterator<Item = Vec<u8>> {
    const DELIMITERS: &[u8] = b"\r\n\t \0:;,<>\"\\@?&=%/[]{}()*+-.0129aZ~\x7f\x80\xc3\xff";
    let original = bytes.to_vec();
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = move |below: usize| {
        // SplitMix64: small, and good enough to choose where to hurt.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % (below.max(1) as u64)) as usize
    };
    (0..n).map(move |_| {
        let mut bytes = original.clone();
        for _ in 0..=next(4) {
            if bytes.is_empty() {
                bytes.push(DELIMITERS[next(DELIMITERS.len())]);
            }
            let (at, length) = (next(bytes.len()), next(40));
            let end = (at + length).min(bytes.len());
            match next(7) {
                0 => bytes[at] ^= 1 << next(8),
                1 => bytes[at] = DELIMITERS[next(DELIMITERS.len())],
                2 => bytes.insert(at, DELIMITERS[next(DELIMITERS.len())]),
                3 => drop(bytes.drain(at..end)),
                4 => {
                    let piece = bytes[at..end].to_vec();
                    let to = next(bytes.len());
                    bytes.splice(to..to, piece);
                }
                5 => bytes.truncate(at),
                _ => {
                    let fill = DELIMITERS[next(DELIMITERS.len())];
                    bytes.splice(at..at, std::iter::repeat_n(fill, length * 8));
                }
            }
        }
        bytes
    })
}
