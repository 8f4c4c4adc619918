using System.Security.Cryptography;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet;

/// <summary>
/// A trained model whose weights another training starts from: on other images, with other labels, or with more of
/// them. The networks have the same architecture and widths; the images may have another size.
/// </summary>
public sealed class InitialModel
{
    private const string LabelTable = "label_emb.weight";

    private readonly string _name;
    private readonly Action<UNetShape, Action<ConditionalUNet, IReadOnlyList<string>?>> _open;
    private readonly Func<byte[]> _hash;

    private InitialModel(
        string name, Action<UNetShape, Action<ConditionalUNet, IReadOnlyList<string>?>> open, Func<byte[]> hash)
    {
        _name = name;
        _open = open;
        _hash = hash;
    }

    /// <summary>Gets a hash of the weights, or of the file with them.</summary>
    internal string Fingerprint => Convert.ToHexStringLower(Explain(_hash));

    /// <summary>Starts from a model in memory, which must not be disposed before the training begins.</summary>
    /// <param name="model">
    /// The transformer that a training returned, or a chain with it.
    /// </param>
    /// <exception cref="ArgumentException">The model does not generate images.</exception>
    public static InitialModel From(ITransformer model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var trained = Find(model)
            ?? throw new ArgumentException("The model does not generate images.", nameof(model));
        return new(
            "the given transformer",
            (_, use) => trained.Generator.UseNetwork(network => use(network, trained.LabelValues)),
            () =>
            {
                using var stream = new MemoryStream();
                trained.Generator.UseNetwork(network => network.Save(stream));
                return SHA256.HashData(stream.ToArray());
            });
    }

    /// <summary>Starts from a file.</summary>
    /// <param name="path">
    /// A model file of ML.NET that ends in ".zip", with a trained generator of images alone or in a chain; or a file of weights that ends in ".safetensors", with the names of PyTorch's state_dict. Files of
    /// weights do not contain the labels: their rows keep their numbers.
    /// </param>
    /// <exception cref="ArgumentException">The path has another ending.</exception>
    public static InitialModel FromFile(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return new($"the file '{path}'", Path.GetExtension(path).ToUpperInvariant() switch
        {
            ".ZIP" => (_, use) => OpenModel(path, use),
            ".SAFETENSORS" => (shape, use) => OpenWeights(path, shape, use),
            _ => throw new ArgumentException($"'{path}' ends neither in .zip nor in .safetensors.", nameof(path)),
        }, () =>
        {
            using var stream = File.OpenRead(path);
            return SHA256.HashData(stream);
        });
    }

    /// <summary>
    /// Creates a network with the weights of this one. A label that this model knows keeps its row of the label table;
    /// a new one starts at the mean of the rows.
    /// </summary>
    /// <param name="shape">The shape of the network.</param>
    /// <param name="labels">The labels of its rows; null if they have no values.</param>
    /// <param name="device">Its device.</param>
    /// <exception cref="InvalidOperationException">
    /// The model cannot be read, or has another architecture or widths; the message says which.
    /// </exception>
    internal ConditionalUNet CreateNetwork(UNetShape shape, IReadOnlyList<string>? labels, Device device) => Explain(() =>
    {
        ConditionalUNet? network = null;
        _open(shape, (source, known) =>
        {
            CheckSame(source.Shape, shape);
            var values = source.StateDict().ToDictionary(tensor => tensor.Entry.Name, tensor => tensor.Values);
            network = ConditionalUNet.Create(shape, device, entry => entry.Name == LabelTable
                ? Map(values[LabelTable], known, labels, shape.Labels)
                : values[entry.Name]);
        });
        return network!;
    });

    private static void OpenModel(string path, Action<ConditionalUNet, IReadOnlyList<string>?> use)
    {
        var model = new MLContext().Model.Load(path, out _);
        using var disposable = model as IDisposable;
        var trained = Find(model) ?? throw new FormatException("its model does not generate images.");
        trained.Generator.UseNetwork(network => use(network, trained.LabelValues));
    }

    private static ITrainedModel? Find(ITransformer model) =>
        (model as IEnumerable<ITransformer> ?? [model]).OfType<ITrainedModel>().FirstOrDefault();

    private static void OpenWeights(string path, UNetShape shape, Action<ConditionalUNet, IReadOnlyList<string>?> use)
    {
        using var stream = File.OpenRead(path);
        var rows = Safetensors.FindShape(stream, LabelTable) is [var count and > 0 and <= ModelLimits.Size, _]
            ? (int)count
            : throw new FormatException($"it has no table '{LabelTable}' of label embeddings.");
        stream.Position = 0;
        using var network = ConditionalUNet.Load(stream, shape with { Labels = rows }, CPU);
        use(network, null);
    }

    private static void CheckSame(UNetShape from, UNetShape to)
    {
        var differences = new List<string>();
        Compare(nameof(from.Architecture), from.Architecture, to.Architecture);
        Compare(nameof(from.Channels), from.Channels, to.Channels);
        Compare("ChannelWidths", Text(from.Widths), Text(to.Widths));
        Compare(nameof(from.EmbeddingSize), from.EmbeddingSize, to.EmbeddingSize);
        if (differences.Count > 0)
            throw new FormatException($"it has another network: {string.Join("; ", differences)}.");

        void Compare<T>(string option, T found, T expected)
        {
            if (!Equals(found, expected)) differences.Add($"{option} is {found} there and {expected} here");
        }

        static string Text(IReadOnlyList<int> widths) => $"[{string.Join(", ", widths)}]";
    }

    /// <summary>Returns the label table of a network with other labels.</summary>
    private static Tensor Map(
        Tensor table, IReadOnlyList<string>? known, IReadOnlyList<string>? labels, int count)
    {
        var rows = known?.Index().ToDictionary(label => label.Item, label => (long)label.Index);
        var mean = (int)table.shape[0]; // the row after the others
        var places = Enumerable.Range(0, count).Select(row => rows is null || labels is null
            ? Math.Min(row, mean)
            : rows.GetValueOrDefault(labels[row], mean));
        var extended = cat([table, table.mean([0], keepdim: true)]);
        return extended.index_select(0, tensor([.. places], ScalarType.Int64, table.device));
    }

    private T Explain<T>(Func<T> use)
    {
        try
        {
            using var scope = NewDisposeScope();
            return use();
        }
        catch (Exception exception) when (
            exception is FormatException or IOException or UnauthorizedAccessException or InvalidDataException
                or InvalidOperationException)
        {
            throw new InvalidOperationException(
                $"InitialModel, {_name}, cannot be used: {exception.Message}", exception);
        }
    }
}
