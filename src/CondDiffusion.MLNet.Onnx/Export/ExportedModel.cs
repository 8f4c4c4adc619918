using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Pipeline;
using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace CondDiffusion.MLNet.Onnx.Export;

/// <summary>A trained model as the exporter reads it, without libtorch.</summary>
/// <param name="Description">Everything about the model but its weights.</param>
/// <param name="Weights">The tensors by their names in PyTorch's state_dict.</param>
/// <param name="Hash">The SHA-256 of both, as in a model file, in hexadecimal.</param>
internal sealed record ExportedModel(
    ModelDescription Description,
    IReadOnlyDictionary<string, (TensorEntry Entry, float[] Values)> Weights,
    string Hash)
{
    // An ONNX file and a stream in memory have at most 2 GB. 16 MB of it are left for all but the weights.
    private const long MostBytes = int.MaxValue - (16L << 20);

    /// <summary>Reads a model in memory, alone or in a chain.</summary>
    /// <exception cref="ArgumentException">The model does not generate images.</exception>
    public static ExportedModel From(ITransformer model)
    {
        var trained = ITrainedModel.Of(model);
        CheckSize(trained.Description.Network);
        using var weights = new MemoryStream();
        trained.Generator.UseNetwork(network => network.Save(weights));
        return Read(trained.Description.ToJson(), weights);
    }

    /// <summary>Reads a model file of ML.NET with a model, alone or in a chain.</summary>
    /// <exception cref="FormatException">The file cannot be read; the message says why.</exception>
    public static ExportedModel FromFile(IHostEnvironment environment, string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        using var file = File.OpenRead(path);
        try
        {
            return ConditionalDiffusionTransformer.File.Find(
                environment.Register(nameof(ExportedModel)), file, Read);
        }
        catch (Exception exception) when (exception is FormatException or InvalidDataException or EndOfStreamException)
        {
            throw new FormatException($"'{path}': {exception.Message}", exception);
        }
    }

    private static ExportedModel Read(byte[] json, Stream weights)
    {
        var description = ModelDescription.Parse(json);
        CheckSize(description.Network);

        weights.Position = 0;
        var hash = Convert.ToHexStringLower(ModelFile.ComputeHash(json, weights.CopyTo));
        weights.Position = 0;
        var tensors = Safetensors.ReadArrays(weights, description.Network.Tensors());
        return new(description, tensors.ToDictionary(tensor => tensor.Entry.Name), hash);
    }

    private static void CheckSize(UNetShape shape)
    {
        var bytes = shape.Tensors().Sum(tensor => tensor.Length) * sizeof(float);
        if (bytes > MostBytes)
        {
            throw new InvalidOperationException(
                $"The model cannot be exported: its weights have {bytes} bytes, expected at most {MostBytes}.");
        }
    }
}
