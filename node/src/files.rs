//! Keep the few small files beside the databases, durably.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Small files; every write but a note is durable when it returns.
pub trait Files: Send + Sync + 'static {
    /// The whole file; none when it does not exist.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Adds to the end of a file that exists.
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Makes or replaces the file, whole or not at all.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Makes or replaces the file without waiting for the disk: a power cut may lose or tear it.
    fn note(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// The files of one folder on disk.
#[derive(Debug, Clone)]
pub struct FolderFiles(pub PathBuf);

impl FolderFiles {
    fn sync_folder(&self) -> io::Result<()> {
        // Without it a power cut may take the name away from a file whose bytes are safe.
        File::open(&self.0)?.sync_all()
    }
}

impl Files for FolderFiles {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match File::open(self.0.join(name)) {
            Ok(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(self.0.join(name))?;
        file.write_all(bytes)?;
        file.sync_data()
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.0.join(format!("{name}.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, self.0.join(name))?;
        self.sync_folder()
    }

    fn note(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // Not truncated first: that gives the file's block back to the disk, at every block of the ledger.
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(self.0.join(name))?;
        file.write_all(bytes)?;
        if file.metadata()?.len() > bytes.len() as u64 { file.set_len(bytes.len() as u64) } else { Ok(()) }
    }
}

impl FolderFiles {
    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Files in memory, for simulation. They outlive the node that wrote them.
#[derive(Debug, Default)]
pub struct MemoryFiles(Mutex<BTreeMap<String, Vec<u8>>>);

impl Files for MemoryFiles {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().expect("no panic under the lock").get(name).cloned())
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut files = self.0.lock().expect("no panic under the lock");
        let file = files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        file.extend_from_slice(bytes);
        Ok(())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().expect("no panic under the lock").insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn note(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace(name, bytes)
    }
}
