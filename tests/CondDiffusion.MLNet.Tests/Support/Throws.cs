namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Asserts what is thrown, and what its message says.</summary>
internal static class Throws
{
    /// <summary>
    /// Asserts that an action throws exactly a <typeparamref name="T"/>, whose message contains every part, and returns
    /// it.
    /// </summary>
    public static T Saying<T>(Action action, params ReadOnlySpan<string> parts)
        where T : Exception
    {
        var exception = Assert.ThrowsExactly<T>(action);
        foreach (var part in parts)
            Assert.Contains(part, exception.Message);
        return exception;
    }

    /// <inheritdoc cref="Saying{T}(Action, ReadOnlySpan{string})"/>
    public static T Saying<T>(Func<object?> function, params ReadOnlySpan<string> parts)
        where T : Exception =>
        Saying<T>(() => { _ = function(); }, parts);
}
