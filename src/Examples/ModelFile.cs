using System.Reflection;
using CondDiffusion.MLNet;
using Microsoft.ML;

namespace CondDiffusion.Examples;

/// <summary>Writes model files whole or not at all.</summary>
internal static class ModelFile
{
    /// <summary>The model that comes with the program.</summary>
    public static string Shipped { get; } = Path.Combine(AppContext.BaseDirectory, "models", "mnist.zip");

    public static void Save(MLContext ml, ITransformer model, string file) =>
        OutputFiles.Write(file, temporary => ml.Model.Save(model, null, temporary));

    /// <summary>Loads the generator of a model file, which is its model or in that model's chain.</summary>
    public static ConditionalDiffusionTransformer LoadGenerator(MLContext ml, string file)
    {
        if (!File.Exists(file))
            throw new FileNotFoundException($"The model file '{file}' is missing: the train command makes one.");
        var model = Load(ml, file);
        var generators = (model as IEnumerable<ITransformer> ?? [model]).OfType<ConditionalDiffusionTransformer>();
        return generators.ToArray() switch
        {
            [var generator] => generator,
            [] => throw new InvalidOperationException($"The model of '{file}' does not generate images."),
            _ => throw new InvalidOperationException(
                $"The model of '{file}' is a chain with several that generate images: expected one."),
        };
    }

    /// <summary>Loads a model of any kind.</summary>
    public static ITransformer Load(MLContext ml, string file)
    {
        try
        {
            return ml.Model.Load(file, out _);
        }
        catch (Exception exception) when (exception is not (OperationCanceledException or OutOfMemoryException))
        {
            throw new FormatException(
                $"The model file '{file}' cannot be loaded: {FindCause(exception).Message}", exception);
        }
    }

    /// <summary>Throws before a training, rather than after it, where a model cannot be saved.</summary>
    public static void CheckWritable(string file, string option)
    {
        if (Directory.Exists(file))
            throw new IOException($"'{file}' is a directory; {option} must name the model file to write.");
        try
        {
            OutputFiles.CheckDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"The model file '{file}' cannot be written: {exception.Message}", exception);
        }
    }

    /// <summary>Returns what was thrown where ML.NET called the loader of a part of the model by reflection.</summary>
    private static Exception FindCause(Exception exception)
    {
        while (exception is TargetInvocationException || exception.InnerException is TargetInvocationException)
            exception = exception.InnerException!;
        return exception;
    }
}
