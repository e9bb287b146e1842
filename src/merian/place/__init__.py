"""Places and dates: what is known of where and when something was found."""
