-- Web Push: which devices are notified, and of what they have been notified (PUSH-1 to PUSH-6 of docs/PROTOCOL.md).

CREATE TABLE chat_push_subscriptions (
    tenant_id text COLLATE "C" NOT NULL,
    -- A hash of the endpoint: a browser that somebody else uses now has that person's subscription alone.
    id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    endpoint text NOT NULL CHECK (octet_length(endpoint) <= 2048),
    p256dh text NOT NULL CHECK (octet_length(p256dh) <= 128),
    auth text NOT NULL CHECK (octet_length(auth) <= 32),
    device text CHECK (char_length(device) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX chat_push_subscriptions_of_person ON chat_push_subscriptions (tenant_id, user_id, id);

-- The newest event of a room that was pushed to a device: an older one is not pushed after it, and none twice.
CREATE TABLE chat_pushed (
    tenant_id text COLLATE "C" NOT NULL,
    subscription_id text COLLATE "C" NOT NULL,
    room_id text COLLATE "C" NOT NULL,
    event bigint NOT NULL,
    PRIMARY KEY (tenant_id, subscription_id, room_id)
);

-- Ends subscriptions. `owner`: only if they are this person's.
CREATE FUNCTION chat_drop_pushes_v1(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := input->>'tenant';
    given text;
    dropped bigint := 0;
BEGIN
    FOR given IN SELECT i.id FROM jsonb_array_elements_text(input->'ids') AS i(id) ORDER BY i.id COLLATE "C" LOOP
        DELETE FROM chat_push_subscriptions s
        WHERE s.tenant_id = tenant AND s.id = given AND s.user_id = coalesce(input->>'owner', s.user_id);
        IF FOUND THEN
            DELETE FROM chat_pushed p WHERE p.tenant_id = tenant AND p.subscription_id = given;
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN to_json(dropped);
END $$;

-- Keeps a subscription. What a client posts at each start is written once a day. Of a person's subscriptions those unseen
-- for `days` end, and the ones unseen for longest beyond `most`.
CREATE FUNCTION chat_put_push_v1(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := input->>'tenant';
    person constant text := input->>'user';
    given constant text := input->>'id';
    before chat_push_subscriptions;
BEGIN
    SELECT * INTO before FROM chat_push_subscriptions s WHERE s.tenant_id = tenant AND s.id = given;
    IF before.user_id <> person THEN
        PERFORM chat_drop_pushes_v1(jsonb_build_object('tenant', tenant, 'ids', jsonb_build_array(given)));
    END IF;
    INSERT INTO chat_push_subscriptions AS s (tenant_id, id, user_id, endpoint, p256dh, auth, device)
    VALUES (tenant, given, person, input->>'endpoint', input->>'p256dh', input->>'auth', input->>'device')
    ON CONFLICT (tenant_id, id) DO UPDATE SET user_id = excluded.user_id, endpoint = excluded.endpoint,
        p256dh = excluded.p256dh, auth = excluded.auth, device = excluded.device, seen_at = now()
    WHERE (s.user_id, s.endpoint, s.p256dh, s.auth) <> (excluded.user_id, excluded.endpoint, excluded.p256dh, excluded.auth)
       OR s.device IS DISTINCT FROM excluded.device OR s.seen_at < now() - interval '1 day';
    PERFORM chat_drop_pushes_v1(jsonb_build_object('tenant', tenant, 'ids', (
        SELECT coalesce(jsonb_agg(old.id), '[]') FROM (
            SELECT s.id, s.seen_at, row_number() OVER (ORDER BY s.seen_at DESC, s.id = given DESC, s.id) AS place
            FROM chat_push_subscriptions s WHERE s.tenant_id = tenant AND s.user_id = person) old
        WHERE old.place > (input->>'most')::bigint
           OR old.seen_at < now() - make_interval(days => (input->>'days')::integer))));
    RETURN json_build_object('id', given);
END $$;

-- Whether a person is not to be notified of anything now: they do not want to be disturbed, it is their quiet hours, or
-- their account is deactivated. A time zone that Postgres does not know counts as UTC.
CREATE FUNCTION chat_is_quiet_v1(tenant text, person text) RETURNS boolean
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    p chat_people;
    at_home time;
    quiet_from time;
    quiet_to time;
BEGIN
    SELECT * INTO p FROM chat_people a WHERE a.tenant_id = tenant AND a.user_id = person;
    IF p.presence = 'dnd' OR p.deactivated_at IS NOT NULL THEN
        RETURN true;
    END IF;
    IF p.quiet_hours IS NULL THEN
        RETURN false;
    END IF;
    BEGIN
        at_home := (now() AT TIME ZONE coalesce(p.timezone, 'UTC'))::time;
    EXCEPTION WHEN invalid_parameter_value THEN
        at_home := (now() AT TIME ZONE 'UTC')::time;
    END;
    quiet_from := (p.quiet_hours->>'from')::time;
    quiet_to := (p.quiet_hours->>'to')::time;
    RETURN CASE WHEN quiet_from <= quiet_to THEN at_home >= quiet_from AND at_home < quiet_to
        ELSE at_home >= quiet_from OR at_home < quiet_to END;
END $$;

-- The devices that are to be notified of an event, each with what its person has unread in the room, and in how many of the
-- rooms that it was notified of. Each device is taken once for an event, and never for an older one; with `devices` those
-- that were taken before.
CREATE FUNCTION chat_take_pushes_v1(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := input->>'tenant';
    room constant text := input->>'room';
    seen_after constant timestamptz := now() - make_interval(days => (input->>'days')::integer);
    given record;
    device record;
    unread bigint;
    rooms bigint;
    taken json[] := '{}';
BEGIN
    FOR given IN
        SELECT i.value->>'userId' AS id, (i.value->>'event')::bigint AS event, m.last_read_seq,
            greatest(m.last_read_seq, CASE r.history_visibility WHEN 'since_join' THEN m.joined_seq ELSE 0 END) AS after
        FROM jsonb_array_elements(input->'users') AS i(value)
        CROSS JOIN LATERAL (
            SELECT * FROM chat_room_members a
            WHERE a.tenant_id = tenant AND a.room_id = room AND a.user_id = i.value->>'userId' LIMIT 1) m
        CROSS JOIN LATERAL (SELECT * FROM chat_rooms a WHERE a.tenant_id = tenant AND a.id = room LIMIT 1) r
        ORDER BY (i.value->>'userId') COLLATE "C"
    LOOP
        unread := NULL;
        FOR device IN
            SELECT s.* FROM chat_push_subscriptions s
            WHERE s.tenant_id = tenant AND s.user_id = given.id AND s.seen_at > seen_after
              AND (input->'devices' IS NULL OR input->'devices' ? s.id)
            ORDER BY s.id LIMIT (input->>'most')::bigint
        LOOP
            IF input->'devices' IS NULL THEN
                INSERT INTO chat_pushed AS p (tenant_id, subscription_id, room_id, event)
                VALUES (tenant, device.id, room, given.event)
                ON CONFLICT (tenant_id, subscription_id, room_id) DO UPDATE SET event = excluded.event
                WHERE p.event < excluded.event;
                CONTINUE WHEN NOT FOUND;
            END IF;
            unread := coalesce(unread,
                chat_count_unread_v2(tenant, room, given.id, given.after, input->'bounds'));
            rooms := (
                SELECT count(*) FROM (
                    SELECT p.room_id, p.event FROM chat_pushed p
                    WHERE p.tenant_id = tenant AND p.subscription_id = device.id
                    ORDER BY p.room_id LIMIT 100) notified
                CROSS JOIN LATERAL (
                    SELECT a.last_read_seq FROM chat_room_members a
                    WHERE a.tenant_id = tenant AND a.room_id = notified.room_id AND a.user_id = given.id LIMIT 1) m
                WHERE m.last_read_seq < notified.event);
            taken := taken || json_build_object('userId', given.id, 'id', device.id, 'endpoint', device.endpoint,
                'p256dh', device.p256dh, 'auth', device.auth, 'unread', unread, 'rooms', rooms);
        END LOOP;
    END LOOP;
    RETURN array_to_json(taken);
END $$;
