SELECT coalesce((
    SELECT json_build_object('person', chat_person_json_v1(p), 'quietHours', p.quiet_hours, 'presence', p.presence)
    FROM chat_people p WHERE p.tenant_id = $1->>'tenant' AND p.user_id = $1->>'user'
), 'null')
