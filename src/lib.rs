//! Chinwag: a chat backend on Cloudflare Workers. Code map in docs/ARCHITECTURE.md.
