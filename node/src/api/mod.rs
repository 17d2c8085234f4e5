//! Serve the public gRPC API.

mod auth;
mod outlet;
mod proofs;
mod read;
mod refusal;
mod server;
mod status;
mod submit;
mod subscribe;
mod tls;

pub(crate) use refusal::Refusal;
pub(crate) use server::serve;
pub(crate) use tls::ApiTls;

use crate::accuse::Accusation;
use crate::cursors::{Applied, Certified};
use crate::distrust::Distrust;
use crate::members::Members;
use crate::mempool::MempoolSize;
use crate::metered::Meters;
use crate::read_index::ReadIndexes;
use crate::submit::Submission;
use crate::verifier::Verifier;
use countersign_consensus::Consensus;
use countersign_gateway::{Callers, Feeds, Sight};
use countersign_ledger::store::Reader;
use countersign_p2p::Transport;
use countersign_proof::{Genesis, Limits};
use countersign_proto::v1;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};
use tonic::{Request, Response, Status, Streaming};

/// What every call may look at. Reads come from the store and the cursors, never from the pipeline.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) node: String,
    pub(crate) origin: String,
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) reader: Reader,
    pub(crate) sight: Sight,
    pub(crate) callers: Callers,
    pub(crate) feeds: Feeds,
    pub(crate) verifier: Verifier,
    pub(crate) submissions: mpsc::Sender<Submission>,
    pub(crate) owned: Arc<Semaphore>,
    pub(crate) owned_bytes: Arc<Semaphore>,
    pub(crate) subscriptions: Arc<Semaphore>,
    pub(crate) limits: Limits,
    pub(crate) consensus: Consensus,
    pub(crate) read_indexes: ReadIndexes,
    pub(crate) transport: Transport,
    pub(crate) members: watch::Receiver<Arc<Members>>,
    pub(crate) applied: watch::Receiver<Applied>,
    pub(crate) signed: watch::Receiver<crate::cursors::Signed>,
    pub(crate) certified: watch::Receiver<Certified>,
    pub(crate) published: watch::Receiver<Certified>,
    pub(crate) cosigned: watch::Receiver<Arc<BTreeMap<String, u64>>>,
    pub(crate) mempool: watch::Receiver<MempoolSize>,
    pub(crate) not_signing: watch::Receiver<String>,
    pub(crate) accusations: watch::Receiver<Arc<Vec<Accusation>>>,
    pub(crate) distrust: Distrust,
    pub(crate) meters: Meters,
}

type Streamed<T> = Pin<Box<dyn futures::Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl v1::ledger_server::Ledger for Api {
    async fn submit(&self, request: Request<v1::SubmitRequest>) -> Result<Response<v1::SubmitResponse>, Status> {
        let answer = self.submit_one(request.into_inner()).await.map_err(Status::from)?;
        Ok(Response::new(answer))
    }

    type SubmitStreamStream = Streamed<v1::SubmitResponse>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<v1::SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        Ok(Response::new(self.submit_many(request.into_inner())))
    }

    async fn get_transaction(
        &self,
        request: Request<v1::GetTransactionRequest>,
    ) -> Result<Response<v1::GetTransactionResponse>, Status> {
        let caller = self.authenticate(&request)?;
        Ok(Response::new(self.transaction(&caller, request.get_ref())?))
    }

    async fn get_block(&self, request: Request<v1::GetBlockRequest>) -> Result<Response<v1::Block>, Status> {
        self.authenticate(&request)?;
        Ok(Response::new(self.block(request.into_inner().height)?))
    }

    async fn list_blocks(
        &self,
        request: Request<v1::ListBlocksRequest>,
    ) -> Result<Response<v1::ListBlocksResponse>, Status> {
        self.authenticate(&request)?;
        Ok(Response::new(self.blocks(&request.into_inner())?))
    }

    async fn get_document(
        &self,
        request: Request<v1::GetDocumentRequest>,
    ) -> Result<Response<v1::GetDocumentResponse>, Status> {
        let caller = self.authenticate(&request)?;
        Ok(Response::new(self.document(&caller, request.into_inner()).await?))
    }

    async fn list_documents(
        &self,
        request: Request<v1::ListDocumentsRequest>,
    ) -> Result<Response<v1::ListDocumentsResponse>, Status> {
        let caller = self.authenticate(&request)?;
        Ok(Response::new(self.documents(&caller, request.get_ref()).await?))
    }

    async fn get_history(
        &self,
        request: Request<v1::GetHistoryRequest>,
    ) -> Result<Response<v1::GetHistoryResponse>, Status> {
        let caller = self.authenticate(&request)?;
        Ok(Response::new(self.history(&caller, request.get_ref())?))
    }

    type SubscribeStream = Streamed<v1::Event>;

    async fn subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let caller = self.authenticate(&request)?;
        Ok(Response::new(self.events(request.into_inner(), caller)?))
    }

    async fn get_receipt(
        &self,
        request: Request<v1::GetReceiptRequest>,
    ) -> Result<Response<v1::GetReceiptResponse>, Status> {
        self.authenticate(&request)?;
        Ok(Response::new(self.receipt(&request.into_inner())?))
    }

    async fn get_trust_bundle(
        &self,
        request: Request<v1::GetTrustBundleRequest>,
    ) -> Result<Response<v1::GetTrustBundleResponse>, Status> {
        self.authenticate(&request)?;
        Ok(Response::new(self.trust_bundle()?))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        self.authenticate(&request)?;
        Ok(Response::new(self.consistency_proof(request.get_ref())?))
    }

    async fn get_history_proof(
        &self,
        request: Request<v1::GetHistoryProofRequest>,
    ) -> Result<Response<v1::GetHistoryProofResponse>, Status> {
        let caller = self.authenticate(&request)?;
        Ok(Response::new(self.history_proof(&caller, request.get_ref())?))
    }

    async fn get_activation(
        &self,
        request: Request<v1::GetActivationRequest>,
    ) -> Result<Response<v1::GetActivationResponse>, Status> {
        self.authenticate(&request)?;
        Ok(Response::new(self.activation()?))
    }

    async fn list_evidence(
        &self,
        request: Request<v1::ListEvidenceRequest>,
    ) -> Result<Response<v1::ListEvidenceResponse>, Status> {
        self.authenticate(&request)?;
        Ok(Response::new(self.evidence()))
    }

    type ExportBlocksStream = Streamed<v1::ExportedBlock>;

    async fn export_blocks(
        &self,
        request: Request<v1::ExportBlocksRequest>,
    ) -> Result<Response<Self::ExportBlocksStream>, Status> {
        let caller = self.authenticate(&request)?;
        Ok(Response::new(self.export(caller, request.get_ref().from_height)?))
    }

    async fn get_status(&self, request: Request<v1::GetStatusRequest>) -> Result<Response<v1::Status>, Status> {
        self.authenticate(&request)?;
        Ok(Response::new(self.status()?))
    }
}
