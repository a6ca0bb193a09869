"""What made a file: the record (record.py), where each format holds it (marks.py), Content Credentials."""
