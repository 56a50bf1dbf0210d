"""The audit: is each number the model's robustness, or a broken attack, victim or split?"""
