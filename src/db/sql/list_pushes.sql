SELECT coalesce(json_agg(json_build_object(
    'id', s.id, 'service', split_part(s.endpoint, '/', 3), 'device', s.device,
    'createdAt', chat_iso_v1(s.created_at), 'seenAt', chat_iso_v1(s.seen_at)) ORDER BY s.created_at, s.id), '[]')
FROM chat_push_subscriptions s
WHERE s.tenant_id = $1->>'tenant' AND s.user_id = $1->>'user'
