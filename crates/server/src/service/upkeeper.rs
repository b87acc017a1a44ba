//! What the service does by itself: activity written down, refusals audited, records swept, notices handed
//! on, the audit summed up.
//!
//! Knows: how often. Must never know: how a wait is made; it is handed ticks.

use std::sync::Arc;

use countersign_auth::command::upkeep;
use countersign_core::time::UnixSeconds;

use super::audit::Checkpoint;
use super::{Failure, Service};

/// Records swept at once.
const SWEEP_MAX: usize = 500;

impl Service {
    /// What is due every 30 seconds: activity is written down.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn every_half_minute(&self) -> Result<(), Failure> {
        self.read_signing_keys().await?;
        self.write_activity().await
    }

    /// What is due every minute: refusals are audited, what is over is swept; says what to write into the
    /// checkpoint file.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn every_minute(&self) -> Result<Checkpoint, Failure> {
        self.write_refusals().await?;
        self.sweep().await?;
        self.checkpoint().await
    }

    /// Audits what was refused since the last time; what can't be written now is kept for the next.
    async fn write_refusals(&self) -> Result<(), Failure> {
        let counted = self.refusals.take();
        let written = self.note(counted.events()).await;
        if written.is_err() {
            self.refusals.take_back(counted);
        }
        written
    }

    /// What is due at the stop: nothing that was counted or seen is lost.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn wind_up(&self) -> Result<Checkpoint, Failure> {
        self.write_activity().await?;
        self.write_refusals().await?;
        let checkpoint = self.checkpoint().await;
        self.hashing.close();
        checkpoint
    }

    /// Deletes records that are over; says how many.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn sweep(&self) -> Result<usize, Failure> {
        let now = self.pulse.now()?;
        let keys = self
            .read(move |store| store.expired(now, SWEEP_MAX).map_err(Failure::Store))
            .await?;
        if keys.is_empty() {
            return Ok(0);
        }
        self.submit(upkeep::Sweep { keys }).await
    }

    /// Heads of all chains, authenticated.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn checkpoint(&self) -> Result<Checkpoint, Failure> {
        let (keys, at): (Arc<_>, UnixSeconds) = (self.ring(), self.clock.shown());
        self.read(move |store| Checkpoint::make(store, at, &keys).map_err(Failure::Store))
            .await
    }

    /// Whether the audit still holds what a checkpoint saw; where it does not, the checkpoint is evidence.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn upholds(&self, checkpoint: Checkpoint) -> Result<bool, Failure> {
        let keys = self.ring();
        self.read(move |store| checkpoint.holds(store, &keys).map_err(Failure::Store))
            .await
    }
}
