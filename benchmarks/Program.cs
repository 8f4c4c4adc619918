using CondDiffusion.MLNet.Benchmarks;

switch (args)
{
    case ["training"]:
        TrainingBenchmark.Run(rounds: 7);
        break;
    case ["training-memory", var variant]:
        TrainingBenchmark.PrintPeakMemory(variant);
        break;
    case ["sampling"]:
        SamplingBenchmark.Run(rounds: 7);
        break;
    default:
        Console.Error.WriteLine("Usage: dotnet run -c Release --project benchmarks -- training | sampling");
        return 2;
}
return 0;
