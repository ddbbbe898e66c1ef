//! The store that the settings name.

use std::{path::Path, sync::Arc};

use hubbub_tables::{Build, Table};

use crate::{EmbeddedStore, Error, Rows, Store, StoreSettings};

/// Any of the stores.
#[derive(Clone)]
pub enum Engine {
    /// In the process, on local disk.
    Embedded(EmbeddedStore),
}

impl Engine {
    /// Opens the store that the settings name; an embedded one in `folder`.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub async fn from_config(settings: &StoreSettings, folder: &Path) -> Result<Self, Error> {
        match settings {
            StoreSettings::Embedded(settings) => {
                let (settings, folder) = (settings.clone(), folder.to_owned());
                let open = move || EmbeddedStore::open(&settings, &folder);
                let opened = tokio::task::spawn_blocking(open).await;
                let opened = opened.map_err(|error| Error::Permanent(error.to_string()))?;
                opened.map(Self::Embedded)
            }
        }
    }
}

impl Store for Engine {
    fn table<T: Table>(&self, build: Build) -> Result<Arc<dyn Rows<T>>, Error> {
        match self {
            Self::Embedded(store) => store.table(build),
        }
    }
}
