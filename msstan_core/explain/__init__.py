"""Why the network says what it says: where and when it looked, what that is worth, and pictures of it."""
