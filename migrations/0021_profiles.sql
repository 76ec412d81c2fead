-- People: their profiles, and the directory that finds them (PEOPLE-1 to PEOPLE-4 of docs/PROTOCOL.md).

-- A person is known once they came with a token, or an admin of their tenant made them.
CREATE TABLE chat_people (
    tenant_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 128),
    name text CHECK (char_length(name) BETWEEN 1 AND 100),
    avatar_url text CHECK (octet_length(avatar_url) <= 2048),
    -- Tokens do not change what an admin has set.
    name_by_admin boolean NOT NULL DEFAULT false,
    avatar_by_admin boolean NOT NULL DEFAULT false,
    title text CHECK (char_length(title) BETWEEN 1 AND 100),
    -- {text, emoji, untilMs}
    status jsonb,
    timezone text,
    -- {from, to}, in the person's time zone
    quiet_hours jsonb,
    presence text NOT NULL DEFAULT 'auto' CHECK (presence IN ('auto', 'dnd')),
    deactivated_at timestamptz,
    -- Tokens issued before are refused.
    signed_out_before timestamptz,
    -- What the directory compares: the displayed name, then the id.
    folded text COLLATE "C" NOT NULL GENERATED ALWAYS AS (chat_fold_v1(coalesce(name || ' ', '') || user_id)) STORED,
    PRIMARY KEY (tenant_id, user_id)
);

-- The order of the directory. A folded name can be 18 times as long as the name, and an entry of an index is at most
-- 2.7 KB, so only the beginning decides.
CREATE INDEX chat_people_in_order ON chat_people (tenant_id, "left"(folded, 64), user_id);

-- All parts of a text of one to three characters, each with the tenant before it, so that a small tenant reads nothing
-- of a large one. No extension is needed, and no white space between words: names of any script are found.
CREATE FUNCTION chat_grams_v1(tenant text, folded text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ARRAY(
        SELECT tenant || '/' || substr(folded, at, size) COLLATE "C"
        FROM generate_series(1, char_length(folded)) AS a(at), generate_series(1, 3) AS s(size)
        WHERE at + size - 1 <= char_length(folded));

CREATE INDEX chat_people_by_parts ON chat_people USING gin (chat_grams_v1(tenant_id, folded)) WITH (fastupdate = off);

-- A person as everybody sees them (docs/PROTOCOL.md, "People"). Presence beyond `dnd` is not Postgres' to know.
CREATE FUNCTION chat_person_json_v1(p chat_people) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'userId', p.user_id, 'name', coalesce(p.name, p.user_id), 'avatarUrl', p.avatar_url, 'title', p.title,
        'status', CASE WHEN p.status IS NOT NULL AND coalesce((p.status->>'untilMs')::bigint, 9007199254740991)
                > (extract(epoch FROM now()) * 1000)::bigint THEN json_build_object(
            'text', p.status->>'text', 'emoji', p.status->>'emoji',
            'until', chat_iso_v1(to_timestamp((p.status->>'untilMs')::bigint / 1000.0))) END,
        'timezone', p.timezone, 'presence', CASE p.presence WHEN 'dnd' THEN 'dnd' ELSE 'offline' END,
        'deactivated', p.deactivated_at IS NOT NULL)
$$;

-- People by their ids, in the order of the ids; unknown ones are left out.
CREATE FUNCTION chat_people_json_v1(tenant text, ids jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (
        SELECT coalesce(json_agg(chat_person_json_v1(p.person) ORDER BY wanted.id), '[]')
        FROM (SELECT DISTINCT i.id COLLATE "C" AS id FROM jsonb_array_elements_text(ids) AS i(id)) wanted
        CROSS JOIN LATERAL (
            SELECT a AS person FROM chat_people a
            WHERE a.tenant_id = tenant AND a.user_id = wanted.id LIMIT 1) p);
END $$;

-- Whether two people are in a room together.
CREATE FUNCTION chat_share_room_v1(tenant text, one text, other text) RETURNS boolean
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM FROM chat_room_members m
    WHERE m.tenant_id = tenant AND m.user_id = one AND (
        SELECT true FROM chat_room_members o
        WHERE o.tenant_id = tenant AND o.room_id = m.room_id AND o.user_id = other LIMIT 1)
    LIMIT 1;
    RETURN FOUND;
END $$;

-- Writes fields of people's profiles: of each only those that its `set` has. `by`: 'token' changes no name and no avatar
-- that an admin has set; an admin who sets null gives them back to the token. What is the same is not written. Rows are
-- locked in the order of their keys, so that two statements do not wait for each other in a circle.
CREATE FUNCTION chat_put_people_v1(input jsonb) RETURNS json
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    tenant constant text := input->>'tenant';
    is_admin constant boolean := input->>'by' = 'admin';
    given record;
BEGIN
    FOR given IN
        SELECT i.value->>'userId' AS id, i.value->'set' AS set
        FROM jsonb_array_elements(input->'people') AS i(value)
        ORDER BY (i.value->>'userId') COLLATE "C"
    LOOP
        INSERT INTO chat_people AS p (tenant_id, user_id, name, avatar_url, name_by_admin, avatar_by_admin, title, status,
            timezone, quiet_hours, presence, deactivated_at)
        VALUES (tenant, given.id, given.set->>'name', given.set->>'avatarUrl',
            is_admin AND given.set->>'name' IS NOT NULL, is_admin AND given.set->>'avatarUrl' IS NOT NULL,
            given.set->>'title', nullif(given.set->'status', 'null'), given.set->>'timezone',
            nullif(given.set->'quietHours', 'null'), coalesce(given.set->>'presence', 'auto'),
            CASE WHEN (given.set->>'deactivated')::boolean THEN date_trunc('milliseconds', now()) END)
        ON CONFLICT (tenant_id, user_id) DO UPDATE SET
            name = CASE WHEN given.set ? 'name' AND (is_admin OR NOT p.name_by_admin)
                THEN excluded.name ELSE p.name END,
            avatar_url = CASE WHEN given.set ? 'avatarUrl' AND (is_admin OR NOT p.avatar_by_admin)
                THEN excluded.avatar_url ELSE p.avatar_url END,
            name_by_admin = CASE WHEN given.set ? 'name' AND is_admin
                THEN excluded.name_by_admin ELSE p.name_by_admin END,
            avatar_by_admin = CASE WHEN given.set ? 'avatarUrl' AND is_admin
                THEN excluded.avatar_by_admin ELSE p.avatar_by_admin END,
            title = CASE WHEN given.set ? 'title' THEN excluded.title ELSE p.title END,
            status = CASE WHEN given.set ? 'status' THEN excluded.status ELSE p.status END,
            timezone = CASE WHEN given.set ? 'timezone' THEN excluded.timezone ELSE p.timezone END,
            quiet_hours = CASE WHEN given.set ? 'quietHours' THEN excluded.quiet_hours ELSE p.quiet_hours END,
            presence = CASE WHEN given.set ? 'presence' THEN excluded.presence ELSE p.presence END,
            deactivated_at = CASE WHEN given.set ? 'deactivated' AND excluded.deactivated_at IS NOT NULL
                THEN coalesce(p.deactivated_at, excluded.deactivated_at)
                WHEN given.set ? 'deactivated' THEN NULL ELSE p.deactivated_at END
        WHERE (given.set ? 'name' AND (is_admin OR NOT p.name_by_admin)
                AND (p.name, p.name_by_admin) IS DISTINCT FROM (excluded.name, excluded.name_by_admin))
            OR (given.set ? 'avatarUrl' AND (is_admin OR NOT p.avatar_by_admin)
                AND (p.avatar_url, p.avatar_by_admin) IS DISTINCT FROM (excluded.avatar_url, excluded.avatar_by_admin))
            OR given.set ?| ARRAY['title', 'status', 'timezone', 'quietHours', 'presence', 'deactivated'];
    END LOOP;
    RETURN chat_people_json_v1(tenant, (
        SELECT coalesce(jsonb_agg(i.value->'userId'), '[]') FROM jsonb_array_elements(input->'people') AS i(value)));
END $$;

-- The people of a person's newest rooms, `membersMax` of each at most.
CREATE FUNCTION chat_near_people_v1(tenant text, person text, bounds jsonb) RETURNS text[]
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT o.user_id
        FROM (
            SELECT m.room_id FROM chat_room_members m
            WHERE m.tenant_id = tenant AND m.user_id = person
            ORDER BY m.room_id DESC LIMIT (bounds->>'roomsMax')::bigint) mine
        CROSS JOIN LATERAL (
            SELECT a.user_id FROM chat_room_members a
            WHERE a.tenant_id = tenant AND a.room_id = mine.room_id
            ORDER BY a.user_id LIMIT (bounds->>'membersMax')::bigint) o);
END $$;

-- People whose names or ids contain all the parts, by the index of parts; more than `found_max`: that many and one. The
-- parts begin with the tenant; IS TRUE keeps Postgres from reading all of the tenant's keys as well.
CREATE FUNCTION chat_people_by_parts_v1(tenant text, grams text[], found_max bigint)
RETURNS TABLE (user_id text, sort text, folded text)
LANGUAGE sql STABLE
SET enable_seqscan = off
SET enable_indexscan = off
SET jit = off
AS $$
    SELECT p.user_id, "left"(p.folded, 64), p.folded FROM chat_people p
    WHERE chat_grams_v1(p.tenant_id, p.folded) @> grams AND (p.tenant_id = tenant) IS TRUE
    LIMIT found_max + 1
$$;

-- A page of these people, who are in the page's order; `next` is the place behind the last of them, if there are more.
CREATE FUNCTION chat_directory_page_v1(tenant text, ids text[], near text[], has_more boolean) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN json_build_object(
        'items', (
            SELECT coalesce(json_agg(chat_person_json_v1(p.person) ORDER BY i.ordinality), '[]')
            FROM unnest(ids) WITH ORDINALITY AS i(id, ordinality)
            CROSS JOIN LATERAL (
                SELECT a AS person FROM chat_people a WHERE a.tenant_id = tenant AND a.user_id = i.id LIMIT 1) p),
        'next', CASE WHEN has_more THEN (
            SELECT json_build_object('far', a.user_id <> ALL (near), 'sort', "left"(a.folded, 64), 'id', a.user_id)
            FROM chat_people a WHERE a.tenant_id = tenant AND a.user_id = ids[cardinality(ids)]) END);
END $$;

-- A page of the directory (src/db/profiles.rs): people whose names or ids contain each of the words. First those of the
-- caller's newest rooms, then the others, each in the order of their names. At most `walkMax` people are compared in
-- their order: enough where the words are frequent. Where they are not, the index of parts brings all, `foundMax` at
-- most. If neither is enough, the page is short, and the next one begins where the walk ended.
CREATE FUNCTION chat_directory_v1(question jsonb) RETURNS json
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
DECLARE
    tenant constant text := question->>'tenant';
    me constant text := question->>'user';
    page_max constant bigint := (question->>'limit')::bigint;
    found_max constant bigint := (question->'bounds'->>'foundMax')::bigint;
    walk_max constant bigint := (question->'bounds'->>'walkMax')::bigint;
    only_shared constant boolean := (question->>'onlyShared')::boolean;
    near constant text[] := chat_near_people_v1(tenant, me, question->'bounds');
    -- An object finds its keys by halving, an array of a plan that is kept compares them all.
    is_near constant jsonb := (SELECT coalesce(jsonb_object_agg(n.id, true), '{}') FROM unnest(near) AS n(id));
    words constant text[] := ARRAY(
        SELECT w.word FROM regexp_split_to_table(chat_fold_v1(question->>'q'), '\s+') AS w(word) WHERE w.word <> '');
    patterns constant text[] := ARRAY(
        SELECT '%' || replace(replace(replace(w.word, '\', '\\'), '%', '\%'), '_', '\_') || '%'
        FROM unnest(words) AS w(word));
    grams constant text[] := ARRAY(
        SELECT DISTINCT tenant || '/' || substr(w.word, at, least(3, char_length(w.word)))
        FROM unnest(words) AS w(word),
            generate_series(1, char_length(w.word) - least(3, char_length(w.word)) + 1) AS a(at));
    place_far constant boolean := coalesce((question->'place'->>'far')::boolean, false);
    place_sort text := coalesce(question->'place'->>'sort', '');
    place_id text := coalesce(question->'place'->>'id', '');
    found text[] := '{}';
    more text[] := '{}';
    by_index text[];
    person record;
    walked bigint := 0;
    walk_end json;
    brought bigint;
BEGIN
    -- One more than the page tells that there is more.
    IF NOT place_far THEN
        found := ARRAY(
            SELECT p.user_id
            FROM unnest(near) AS n(id)
            CROSS JOIN LATERAL (
                SELECT a.user_id, "left"(a.folded, 64) AS sort, a.folded FROM chat_people a
                WHERE a.tenant_id = tenant AND a.user_id = n.id LIMIT 1) p
            WHERE p.folded LIKE ALL (patterns) AND (p.sort, p.user_id) > (place_sort, place_id)
            ORDER BY p.sort, p.user_id LIMIT page_max + 1);
        IF cardinality(found) > page_max THEN
            RETURN chat_directory_page_v1(tenant, found[:page_max], near, true);
        END IF;
        place_sort := '';
        place_id := '';
    END IF;
    IF NOT only_shared THEN
        FOR person IN
            SELECT a.user_id, a.folded FROM chat_people a
            WHERE a.tenant_id = tenant AND ("left"(a.folded, 64), a.user_id) > (place_sort, place_id)
            ORDER BY "left"(a.folded, 64), a.user_id LIMIT walk_max
        LOOP
            walked := walked + 1;
            IF person.folded LIKE ALL (patterns) AND NOT is_near ? person.user_id THEN
                more := more || person.user_id;
                EXIT WHEN cardinality(found) + cardinality(more) > page_max;
            END IF;
        END LOOP;
        IF cardinality(found) + cardinality(more) > page_max THEN
            RETURN chat_directory_page_v1(tenant, (found || more)[:page_max], near, true);
        END IF;
        IF walked < walk_max THEN
            RETURN chat_directory_page_v1(tenant, found || more, near, false);
        END IF;
        walk_end := json_build_object('far', true, 'sort', "left"(person.folded, 64), 'id', person.user_id);
    END IF;
    IF cardinality(words) > 0 THEN
        SELECT count(*), array_agg(p.user_id ORDER BY p.sort, p.user_id) FILTER (
            WHERE p.folded LIKE ALL (patterns) AND (p.sort, p.user_id) > (place_sort, place_id)
              AND NOT is_near ? p.user_id)
        INTO brought, by_index
        FROM chat_people_by_parts_v1(tenant, grams, found_max) p;
        IF brought <= found_max THEN
            IF only_shared THEN
                by_index := ARRAY(
                    SELECT m.id FROM unnest(by_index) WITH ORDINALITY AS m(id, ordinality)
                    WHERE chat_share_room_v1(tenant, m.id, me)
                    ORDER BY m.ordinality LIMIT page_max - cardinality(found) + 1);
            END IF;
            found := found || by_index;
            RETURN chat_directory_page_v1(tenant, found[:page_max], near, cardinality(found) > page_max);
        END IF;
    END IF;
    RETURN (
        SELECT json_build_object('items', page.answer->'items', 'next', walk_end)
        FROM (SELECT chat_directory_page_v1(tenant, found || more, near, false) AS answer) page);
END $$;
