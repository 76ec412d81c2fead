//! The platform's WebCrypto, and the JavaScript values that it takes. Not here: what is signed, verified or encrypted
//! (`issuer`, `web_push`).

use js_sys::{Array, JSON, Object, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

pub type Result<T> = std::result::Result<T, JsValue>;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = generateKey, catch)]
    pub async fn generate_key(algorithm: &JsValue, extractable: bool, usages: &JsValue) -> Result<JsValue>;
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = exportKey, catch)]
    pub async fn export_key(format: &str, key: &JsValue) -> Result<JsValue>;
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = importKey, catch)]
    pub async fn import_key(
        format: &str,
        key: &JsValue,
        algorithm: &JsValue,
        extractable: bool,
        usages: &JsValue,
    ) -> Result<JsValue>;
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = deriveBits, catch)]
    pub async fn derive_bits(algorithm: &JsValue, key: &JsValue, bits: u32) -> Result<JsValue>;
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = encrypt, catch)]
    pub async fn encrypt(algorithm: &JsValue, key: &JsValue, plain: &Uint8Array) -> Result<JsValue>;
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = sign, catch)]
    pub async fn sign(algorithm: &JsValue, key: &JsValue, signed: &Uint8Array) -> Result<JsValue>;
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = verify, catch)]
    pub async fn verify(
        algorithm: &JsValue,
        key: &JsValue,
        signature: &Uint8Array,
        signed: &Uint8Array,
    ) -> Result<JsValue>;
}

/// The parameters of an algorithm, or a key as a JWK.
pub fn object(json: &str) -> Result<Object> {
    JSON::parse(json)?.dyn_into()
}

pub fn usages(names: &[&str]) -> JsValue {
    names.iter().map(|name| JsValue::from_str(name)).collect::<Array>().into()
}

pub fn bytes(buffer: &JsValue) -> Vec<u8> {
    Uint8Array::new(buffer).to_vec()
}
