-- Sessions keep keys in place of one token, and how lately they were proven. Those that are open can't say; they end, and
-- their people sign in anew.
DELETE FROM record WHERE kind = 'session';
