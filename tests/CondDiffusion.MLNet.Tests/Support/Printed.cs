namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Reads what an action prints.</summary>
internal static class Printed
{
    /// <summary>Returns what an action writes to the output; what it writes to the error output is left out.</summary>
    public static string By(Action action)
    {
        var output = Console.Out;
        using var writer = new StringWriter();
        Console.SetOut(writer);
        try
        {
            action();
        }
        finally
        {
            Console.SetOut(output);
        }

        return writer.ToString();
    }
}
